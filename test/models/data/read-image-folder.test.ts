import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openImageCache } from '../../../models/data/image-cache.ts'
import { openDataSet } from '../../../models/data/open-data-set.ts'
import { normalizationOf, normalizeInto, unitImage } from '../../../models/data/pixels.ts'
import { readDataSet } from '../../../models/data/read-data-set.ts'
import { type FolderOptions, type InputShape, readImageFolder, TRAINING_FIT } from '../../../models/data/read-image-folder.ts'
import { decodeImage } from '../../../src/imaging/decode-image.ts'
import { toInputTensor } from '../../../src/imaging/to-input-tensor.ts'
import { dataFile, hasData } from '../../support/corpus.ts'
import { buildGray16 } from '../../support/synthetic-dicom.ts'
import { buildPng } from '../../support/synthetic-png.ts'

const folder = mkdtempSync(join(tmpdir(), 'attending-folder-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const gray = (side: number): InputShape => ({ channels: 1, height: side, width: side, ...TRAINING_FIT })
const options = (more: Partial<FolderOptions> = {}): FolderOptions => ({ folder, input: gray(4), classes: null, ...more })
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** An 8-bit PNG; color where a row has three samples a pixel. */
const png = (width: number, height: number, samples: (i: number) => number, channels: 1 | 3 = 1): Uint8Array =>
  buildPng({
    width,
    height,
    bitDepth: 8,
    colorType: channels === 1 ? 0 : 2,
    rows: Array.from({ length: height }, (_, y) => Array.from({ length: width * channels }, (_, x) => samples(y * width * channels + x))),
  })

const names = ['a', 'b', 'c', 'd']
const TABLE = `image,class,split,patient\n${names.map((name, i) => `${name}.png,${i % 2 === 0 ? 'x' : 'y'},${['train', 'train', 'val', 'test'][i]},p${i}`).join('\n')}\n`

beforeAll(() => {
  names.forEach((name, image) => {
    writeFileSync(
      join(folder, `${name}.png`),
      png(4, 4, (i) => 16 * image + i),
    )
  })
})

const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => expect.unreachable('it was not refused'),
    (error: unknown) => error,
  )

describe('readImageFolder', () => {
  it('reads gray images of the right size byte for byte, in the order of the table', async () => {
    const data = await readImageFolder(bytesOf(TABLE), options())
    expect(data).toMatchObject({ height: 4, width: 4, channels: 1, facts: { classes: ['x', 'y'], modalities: [] } })
    expect([...data.splits.train.images]).toEqual(Array.from({ length: 32 }, (_, i) => i))
    expect([...data.splits.test.images]).toEqual(Array.from({ length: 16 }, (_, i) => 48 + i))
    expect([...data.splits.train.labels]).toEqual([0, 1])
  })

  it('gives the network the pixels that serving gives it, to half of an 8-bit step', async () => {
    const wide = png(9, 7, (i) => (i * 37) % 256, 3)
    writeFileSync(join(folder, 'wide.png'), wide)
    const table = TABLE.replace('a.png', 'wide.png')
    for (const channels of [1, 3] as const) {
      const input = { ...gray(4), channels }
      const data = await readImageFolder(bytesOf(table), options({ input }))
      const normalization = normalizationOf(data, data.splits.train)
      const pixels = new Float32Array(channels * 16)
      normalizeInto(pixels, 0, unitImage(data, data.splits.train, 0), normalization)
      const { image } = await decodeImage(wide, { frame: 1 })
      const served = toInputTensor(image, { name: 'x', layout: 'nchw', modalities: [], ...input, mean: [...normalization.mean], deviation: [...normalization.deviation] }).pixels
      const bound = 0.5 / 255 / Math.min(...normalization.deviation) + 1e-6
      served.data.forEach((value, i) => {
        expect(Math.abs(pixels[i]! - value)).toBeLessThan(bound)
      })
    }
  })

  it('finds DICOM by SOP Instance UID below the folder, whatever the files are called, and tells their modality', async () => {
    const dicom = join(folder, 'dicom')
    mkdirSync(join(dicom, 'deep'), { recursive: true })
    const values = Array.from({ length: 16 }, (_, i) => 100 + i)
    names.forEach((name, i) => {
      writeFileSync(
        join(dicom, i % 2 === 0 ? 'deep' : '', name),
        buildGray16(
          values.map((value) => value * (i + 1)),
          4,
          { SOPInstanceUID: `1.2.3.${i}`, Modality: 'DX', PatientID: 'SECRET-7' },
        ),
      )
    })
    writeFileSync(join(dicom, 'notes.txt'), 'no image')
    const table = `instance;class;split;patient\n1.2.3.0;x;train;p0\n1.2.3.1;y;train;p1\n1.2.3.2;x;val;p2\n1.2.3.3;y;test;p3\n`
    const data = await readImageFolder(bytesOf(table), options({ folder: dicom }))
    expect(data.facts.modalities).toEqual(['DX'])
    // No window is given, so that the image's own range is shown: 0 to 255 evenly over sixteen steps.
    expect([...data.splits.train.images.subarray(0, 16)]).toEqual(Array.from({ length: 16 }, (_, i) => Math.floor((255 * i) / 15 + 0.5)))
    expect(JSON.stringify(data.facts)).not.toMatch(/SECRET|1\.2\.3/)

    const absent = await failure(readImageFolder(bytesOf(table.replace('1.2.3.2', '1.2.3.9')), options({ folder: dicom })))
    expect(absent).toMatchObject({ code: 'file-unreadable', message: expect.stringContaining('line 4') })
    writeFileSync(join(dicom, 'again'), readFileSync(join(dicom, 'b')))
    expect(await failure(readImageFolder(bytesOf(table), options({ folder: dicom })))).toMatchObject({ message: expect.stringMatching(/line 3 .* two files/) })
  })

  it('keeps decoded images where it is told to, reads them again without decoding, and decodes anew what is damaged', async () => {
    const cacheFolder = join(folder, 'cache')
    const cache = openImageCache(cacheFolder)
    const decoded: number[] = []
    const read = () => readImageFolder(bytesOf(TABLE), options({ cache, report: (done) => decoded.push(done) }))
    const first = await read()
    expect(decoded).toEqual([1, 2, 3, 4])
    expect(await read()).toEqual(first)
    expect(decoded).toHaveLength(4)
    const [file = ''] = readdirSync(cacheFolder)
    const bytes = readFileSync(join(cacheFolder, file))
    bytes[bytes.length - 1]! ^= 1
    writeFileSync(join(cacheFolder, file), bytes)
    expect(await read()).toEqual(first)
    expect(decoded).toHaveLength(8)
    await readImageFolder(bytesOf(TABLE), options({ cache, input: gray(2), report: (done) => decoded.push(done) }))
    expect(decoded).toHaveLength(12)
  })

  it('tells sets apart by their images and not by their names', async () => {
    const before = (await readImageFolder(bytesOf(TABLE), options())).sha256
    writeFileSync(
      join(folder, 'd.png'),
      png(4, 4, (i) => 200 - i),
    )
    const after = (await readImageFolder(bytesOf(TABLE), options())).sha256
    writeFileSync(
      join(folder, 'd.png'),
      png(4, 4, (i) => 48 + i),
    )
    expect(after).not.toBe(before)
    expect((await readImageFolder(bytesOf(TABLE), options())).sha256).toBe(before)
  })

  it.each([
    ['an image that is not there', TABLE.replace('b.png', 'secret.png'), /line 3 .* not there/],
    ['an image outside the folder', TABLE.replace('b.png', '../escape.png'), /line 3 .* outside/],
    ['a link that leads out of the folder', TABLE.replace('b.png', 'link.png'), /line 3 .* outside/],
    ['an image that cannot be decoded', TABLE.replace('c.png', 'broken.png'), /line 4 .* cannot be read: .*\(image-undecodable\)/],
    ['what is no image', TABLE.replace('c.png', 'text.png'), /line 4 .* cannot be read/],
    ['a folder', TABLE.replace('c.png', 'sub'), /line 4 .* no file/],
    ['a frame that is not there', TABLE.replace('patient\n', 'patient,frame\n').replaceAll(/(p\d)\n/g, '$1,2\n'), /line 2 .* cannot be read/],
    ['one picture under two names in two splits', TABLE.replace('d.png', 'twin.png'), /lines 2 \(train\) and 5 \(test\) .* byte for byte/],
  ])('refuses %s, naming the line and no file, and keeps nothing', async (_, table, message) => {
    writeFileSync(
      join(folder, '..', 'escape.png'),
      png(4, 4, () => 1),
    )
    if (!existsSync(join(folder, 'link.png'))) symlinkSync(join(folder, '..', 'escape.png'), join(folder, 'link.png'))
    writeFileSync(join(folder, 'broken.png'), readFileSync(join(folder, 'a.png')).subarray(0, 50))
    writeFileSync(join(folder, 'text.png'), 'no image at all')
    writeFileSync(join(folder, 'twin.png'), readFileSync(join(folder, 'a.png')))
    mkdirSync(join(folder, 'sub'), { recursive: true })
    const cacheFolder = join(folder, 'never')
    const error = await failure(readImageFolder(bytesOf(table), options({ cache: openImageCache(cacheFolder) })))
    rmSync(join(folder, '..', 'escape.png'), { force: true })
    expect(error).toMatchObject({ code: 'file-unreadable', message: expect.stringMatching(message) })
    expect((error as Error).message).not.toMatch(/\.png|attending-folder/)
    expect(existsSync(cacheFolder)).toBe(false)
  })

  it('refuses more images than its limit before it decodes one', async () => {
    const decoded: number[] = []
    const error = await failure(readImageFolder(bytesOf(TABLE), options({ limitBytes: 63, report: (done) => decoded.push(done) })))
    expect(error).toMatchObject({ code: 'parameter-invalid', message: expect.stringContaining('64 bytes') })
    expect(decoded).toEqual([])
  })

  it.skipIf(!hasData)('reads images of the official BreastMNIST, written as PNG by another encoder, as the archive has them (needs the corpus)', async () => {
    const archive = readDataSet(readFileSync(dataFile('medmnist/breastmnist.npz')), { allowed: [] })
    const set = join(folder, 'breast')
    mkdirSync(set)
    const rows = (['train', 'validation', 'test'] as const).flatMap((split) =>
      Array.from({ length: 6 }, (_, i) => {
        const image = archive.splits[split].images.subarray(i * 784, (i + 1) * 784)
        writeFileSync(
          join(set, `${split}${i}.png`),
          png(28, 28, (at) => image[at]!),
        )
        return `${split}${i}.png,${archive.facts.classes[archive.splits[split].labels[i]!]},${split},${split}${i}`
      }),
    )
    writeFileSync(join(set, 'table.csv'), ['image,class,split,patient', ...rows].join('\n'))
    const data = await openDataSet(join(set, 'table.csv'), { allowed: [], folder: null, classes: archive.facts.classes, cacheFolder: null, input: gray(28) })
    for (const split of ['train', 'validation', 'test'] as const) {
      expect(Buffer.from(data.splits[split].images).equals(archive.splits[split].images.subarray(0, 6 * 784))).toBe(true)
      expect([...data.splits[split].labels]).toEqual([...archive.splits[split].labels.subarray(0, 6)])
    }
  })
})
