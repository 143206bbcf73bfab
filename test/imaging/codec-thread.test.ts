/** The codec's thread: what it is given and gives away, when it is ended, and that nothing which happens in it reaches the next frame. */
import { spawnSync } from 'node:child_process'
import { afterAll, describe, expect, it } from 'vitest'
import { Problem } from '../../src/domain/problem.ts'
import { type CodecRequest, type CodecThreadSettings, createCodecThread, DICOM_CODECS, limitOfFrame } from '../../src/imaging/codec-thread.ts'
import { openDicom } from '../../src/imaging/decode-dicom.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { encodeFrame } from '../support/encode-frame.ts'
import { words } from '../support/synthetic-dicom.ts'
import { ENDLESS_HTJ2K, fileAround, HTJ2K_RPCL } from './endless-htj2k.ts'
import { DEEDS } from './faulty-codec.ts'

const SHAPE = {
  codec: 'htj2k',
  rows: 9,
  columns: 12,
  samplesPerPixel: 1,
  bitsAllocated: 16,
  bitsStored: 16,
  isSigned: true,
  photometricInterpretation: 'MONOCHROME2',
  precision: 16,
} as const

const VALUES = Array.from({ length: 108 }, (_, i) => (i * i * 7 + i * 131) % 65_536)

const goodFrame = (): Promise<Uint8Array> =>
  encodeFrame({ rows: 9, columns: 12, samplesPerPixel: 1, bitsAllocated: 16, bitsStored: 16, isSigned: true, bytes: words(VALUES, false) }, HTJ2K_RPCL)

const problemOf = (promise: Promise<unknown>): Promise<unknown> => promise.then(() => undefined).catch((error: unknown) => error)

describe('a codestream that keeps the decoder busy without end', () => {
  it('is refused as "codec-timeout" with its limit, and the image behind it is decoded exactly by the same process', async () => {
    const bad = problemOf(decodeImage(fileAround(ENDLESS_HTJ2K), { frame: 1 }))
    const good = openDicom(fileAround(await goodFrame())).decodeFrame(1)
    const problem = await bad
    expect(problem).toBeInstanceOf(Problem)
    const limitMs = limitOfFrame({ ...SHAPE, frame: new Uint8Array(ENDLESS_HTJ2K) })
    expect(problem).toMatchObject({ code: 'codec-timeout', facts: { transferSyntaxUid: HTJ2K_RPCL, limitMs }, cause: { message: `a frame took longer than ${limitMs} ms` } })
    expect(Array.from((await good).values, (value) => value & 0xffff)).toEqual(VALUES)
  })

  it('does not keep a process alive that has nothing else to do', () => {
    const script = `
      import { decodeImage } from ${JSON.stringify(new URL('../../src/imaging/decode-image.ts', import.meta.url).href)}
      import { ENDLESS_HTJ2K, fileAround } from ${JSON.stringify(new URL('endless-htj2k.ts', import.meta.url).href)}
      const codes = []
      for (const bytes of [ENDLESS_HTJ2K, ENDLESS_HTJ2K.slice(0, 200)]) await decodeImage(fileAround(bytes), { frame: 1 }).catch(({ code }) => codes.push(code))
      process.stdout.write(codes.join())`
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 50_000 })
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'codec-timeout,codec-failed' })
  })
})

describe('the codec of DICOM frames', () => {
  const thread = createCodecThread(DICOM_CODECS)
  afterAll(() => thread.stop())

  it('takes the bytes of a frame away and gives the samples back, without copies', async () => {
    const frame = new Uint8Array(await goodFrame())
    const samples = await thread.decode({ ...SHAPE, frame })
    expect(frame.buffer.byteLength).toBe(0)
    expect(samples.buffer.byteLength).toBe(216)
    expect([...new Uint16Array(samples.buffer)]).toEqual(VALUES)
  })

  it('fails for samples of another number than asked for', async () => {
    const frame = new Uint8Array(await goodFrame())
    await expect(thread.decode({ ...SHAPE, rows: 90, frame })).rejects.toThrow()
  })

  it('leaves the buffer of the file as it was, so that a frame can be decoded twice', async () => {
    const { decodeFrame } = openDicom(fileAround(await goodFrame()))
    expect(await decodeFrame(1)).toEqual(await decodeFrame(1))
  })
})

describe('limitOfFrame', () => {
  it.each([
    ['a thumbnail', { rows: 10, columns: 10, samplesPerPixel: 1, frame: new Uint8Array(100) }, 2001],
    ['a radiograph of 2000 x 1800 in 3 MB', { rows: 2000, columns: 1800, samplesPerPixel: 1, frame: new Uint8Array(3_000_000) }, 14_600],
    ['a color picture of 1000 x 1000 in 1 MB', { rows: 1000, columns: 1000, samplesPerPixel: 3, frame: new Uint8Array(1_000_000) }, 8000],
  ])('gives %s 2 s, 1 s for each million samples and 3 s for each million bytes', (_, frame, expected) => {
    expect(limitOfFrame(frame)).toBe(expected)
  })
})

describe('a thread whose codec misbehaves', () => {
  const settings: CodecThreadSettings = {
    entry: new URL('faulty-codec.ts', import.meta.url),
    limitMs: ({ frame }) => (frame[0] === DEEDS.hang ? 300 : 30_000),
    maxFrames: 4,
    maxMemoryBytes: 1000,
  }
  const requestOf = (deed: number, ...more: readonly number[]): CodecRequest => ({ ...SHAPE, frame: Uint8Array.of(deed, ...more) })

  it.each([
    ['hangs', DEEDS.hang, /longer than 300 ms/],
    ['throws', DEEDS.throw, /crashed/],
    ['ends', DEEDS.exit, /code 7/],
  ])('is replaced after one that %s', async (_, deed, reason) => {
    const thread = createCodecThread(settings)
    const first = (await thread.decode(requestOf(DEEDS.echo))).at(-1)
    const [lost, next] = [thread.decode(requestOf(deed)), thread.decode(requestOf(DEEDS.echo, 5))]
    await expect(lost).rejects.toThrow(reason)
    const [deedAfter, value, second] = await next
    expect([deedAfter, value]).toEqual([DEEDS.echo, 5])
    expect(second).not.toBe(first)
    await thread.stop()
  })

  it.each([
    ['fails', DEEDS.fail, 'refused'],
    ['answers out of turn', DEEDS.outOfTurn, 'out of turn'],
  ])('is kept after a frame for which it %s', async (_, deed, reason) => {
    const thread = createCodecThread(settings)
    const first = (await thread.decode(requestOf(DEEDS.echo))).at(-1)
    await expect(thread.decode(requestOf(deed))).rejects.toThrow(reason)
    expect((await thread.decode(requestOf(DEEDS.echo))).at(-1)).toBe(first)
    await thread.stop()
  })

  it('is given back after so many frames', async () => {
    const thread = createCodecThread(settings)
    const ids: (number | undefined)[] = []
    for (let i = 0; i < 9; i++) ids.push((await thread.decode(requestOf(DEEDS.echo))).at(-1))
    expect(new Set(ids.slice(0, 4)).size).toBe(1)
    expect(new Set(ids).size).toBe(3)
    await thread.stop()
  })

  it('is given back once its memory is above the limit, and not at it', async () => {
    const thread = createCodecThread(settings)
    const ids: (number | undefined)[] = []
    for (const deed of [DEEDS.echo, DEEDS.grow, DEEDS.echo]) ids.push((await thread.decode(requestOf(deed))).at(-1))
    expect(ids[1]).toBe(ids[0])
    expect(ids[2]).not.toBe(ids[0])
    await thread.stop()
  })

  it('dies while nobody waits, and the process and the next frame do not notice', async () => {
    const thread = createCodecThread(settings)
    const first = (await thread.decode(requestOf(DEEDS.dieLater))).at(-1)
    // another thread's start is longer than this one's death takes; an error that reached the process would fail the run
    const other = createCodecThread(settings)
    await other.decode(requestOf(DEEDS.echo))
    await other.stop()
    const second = (await thread.decode(requestOf(DEEDS.echo))).at(-1)
    expect(second).not.toBe(first)
    await thread.stop()
  })

  it('decodes frames asked for at once in their order', async () => {
    const thread = createCodecThread({ ...settings, maxFrames: 100 })
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => thread.decode(requestOf(DEEDS.echo, i))))
    expect(answers.map((samples) => samples[1])).toEqual(Array.from({ length: 20 }, (_, i) => i))
    await thread.stop()
  })

  it('fails the frame where the thread cannot start', async () => {
    const thread = createCodecThread({ ...settings, entry: new URL('no-such-codec.ts', import.meta.url) })
    await expect(thread.decode(requestOf(DEEDS.echo))).rejects.toThrow('the codec crashed')
  })
})
