/** Streams that dcmtk and OpenJPEG wrote from known values: each must come back bit for bit, or be refused. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openDicom } from '../../src/imaging/decode-dicom.ts'
import { hasDcmtk } from '../support/dicom-tools.ts'
import { encodeFrame } from '../support/encode-frame.ts'
import { buildPart10, IMAGE, type SyntheticDataset, words } from '../support/synthetic-dicom.ts'

const ROWS = 19
const COLUMNS = 23

interface Kind {
  readonly bits: number
  readonly isSigned: boolean
  readonly samples: 1 | 3
}

const KINDS: readonly Kind[] = [
  { bits: 8, isSigned: false, samples: 1 },
  { bits: 8, isSigned: true, samples: 1 },
  { bits: 10, isSigned: false, samples: 1 },
  { bits: 12, isSigned: true, samples: 1 },
  { bits: 16, isSigned: false, samples: 1 },
  { bits: 16, isSigned: true, samples: 1 },
  { bits: 8, isSigned: false, samples: 3 },
  { bits: 12, isSigned: false, samples: 3 },
  { bits: 16, isSigned: false, samples: 3 },
]

const valuesOf = ({ bits, isSigned, samples }: Kind, pixels = ROWS * COLUMNS): number[] =>
  Array.from({ length: pixels * samples }, (_, i) => ((i * i * 7 + i * 131) % 2 ** bits) - (isSigned ? 2 ** (bits - 1) : 0))

const toBytes = (values: readonly number[], { bits }: Kind): Uint8Array => (bits <= 8 ? Uint8Array.from(values, (value) => value & 0xff) : words(values))

const datasetOf = ({ bits, isSigned, samples }: Kind): SyntheticDataset => ({
  ...IMAGE,
  PatientName: 'NOBODY',
  PatientID: 'NOBODY',
  Rows: ROWS,
  Columns: COLUMNS,
  SamplesPerPixel: samples,
  PhotometricInterpretation: samples === 3 ? 'RGB' : 'MONOCHROME2',
  ...(samples === 3 ? { PlanarConfiguration: 0 } : {}),
  BitsAllocated: bits <= 8 ? 8 : 16,
  BitsStored: bits,
  HighBit: bits - 1,
  PixelRepresentation: isSigned ? 1 : 0,
})

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'attending-encoders-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], DCMDICTPATH: process.env['DCMDICTPATH'] ?? '/usr/share/libdcmtk17/dicom.dic' },
  })
  if (status !== 0) throw new Error(`${command} failed: ${stderr}`)
}

const decode = async (file: Uint8Array): Promise<number[]> => Array.from((await openDicom(file).decodeFrame(1)).values)

describe.skipIf(!hasDcmtk)('what dcmtk wrote (needs dcmtk)', () => {
  const ENCODERS: readonly (readonly [what: string, command: string, ...args: string[]])[] = [
    ['JPEG lossless, selection value 1', 'dcmcjpeg', '+e1'],
    ['JPEG lossless, selection value 4', 'dcmcjpeg', '+el', '+sv', '4'],
    ['JPEG-LS, samples interleaved', 'dcmcjpls', '+el', '+is'],
    ['JPEG-LS, lines interleaved', 'dcmcjpls', '+el', '+il'],
    ['JPEG-LS, a scan a component', 'dcmcjpls', '+el', '+in'],
    ['RLE', 'dcmcrle'],
    ['big endian', 'dcmconv', '+tb'],
    ['implicit', 'dcmconv', '+ti'],
    ['deflated', 'dcmconv', '+td'],
  ]

  it.each(KINDS)('of $bits bits, signed: $isSigned, $samples samples, comes back from all nine encodings', async (kind) => {
    const values = valuesOf(kind)
    const native = buildPart10({ dataset: { ...datasetOf(kind), PixelData: toBytes(values, kind) }, pixelVr: kind.bits <= 8 ? 'OB' : 'OW' })
    const [from, to] = [join(folder, 'native.dcm'), join(folder, 'encoded.dcm')]
    writeFileSync(from, native)
    for (const [what, command, ...args] of ENCODERS) {
      run(command, ...args, from, to)
      expect(await decode(new Uint8Array(readFileSync(to))), what).toEqual(values)
    }
  })
})

const JPEG_2000 = '1.2.840.10008.1.2.4.90'
const inJpeg2000 = (dataset: SyntheticDataset, stream: Uint8Array): Uint8Array =>
  buildPart10({ transferSyntaxUid: JPEG_2000, dataset, encapsulated: { offsets: [], fragments: [stream] } })
const hasOpenJpeg = spawnSync('sh', ['-c', 'command -v opj_compress']).status === 0

describe.skipIf(!hasOpenJpeg)('what OpenJPEG wrote (needs opj_compress)', () => {
  it.each([
    ...KINDS.filter(({ bits, samples }) => samples === 1 || bits === 8).map((kind) => [kind, []] as const),
    [{ bits: 8, isSigned: false, samples: 3 }, ['-mct', '0']],
    [{ bits: 12, isSigned: false, samples: 1 }, ['-t', '8,8', '-n', '1']],
    [{ bits: 16, isSigned: true, samples: 1 }, ['-p', 'RPCL', '-c', '[32,32]']],
  ] as const)('of %j with %j comes back', async (kind, options) => {
    const values = valuesOf(kind)
    const planes = Array.from({ length: kind.samples }, (_, sample) => values.filter((__, i) => i % kind.samples === sample)).flat()
    const [from, to] = [join(folder, 'planes.rawl'), join(folder, 'stream.j2k')]
    writeFileSync(from, toBytes(planes, kind))
    run('opj_compress', '-i', from, '-o', to, '-r', '1', '-n', '3', '-F', `${COLUMNS},${ROWS},${kind.samples},${kind.bits},${kind.isSigned ? 's' : 'u'}`, ...options)
    expect(await decode(inJpeg2000(datasetOf(kind), new Uint8Array(readFileSync(to))))).toEqual(values)
  })
})

it('reads signed 8 bits of JPEG 2000 (opj_compress 2.5.0 -r 1 -n 2 wrote the stream, 12 x 9)', async () => {
  const stream = Buffer.from(
    '/0//UQApAAAAAAAMAAAACQAAAAAAAAAAAAAADAAAAAkAAAAAAAAAAAABhwEB/1IADAAAAAEAAQQEAAH/XAAHQEBISFD/ZAAlAAFDcmVhdGVkIGJ5IE9wZW5KUEVHIHZlcnNpb24gMi41LjD/kAAKAAAAAAB/AAH/k8+0gAfYykHKL24StowxT97Dlr6mujQ25vVkSblU1+xEWgU7z8CSfgKT8w4jEL4f8cInPwwKVHMz3KdorxYl4UxqN4vQbrllmDJSMLoz/38Zv6Lj+NrGhqKLZmv5QOigZCjLby42j6pav/9fiMtW1Iu7/9k=',
    'base64',
  )
  const kind: Kind = { bits: 8, isSigned: true, samples: 1 }
  // the bytes that OpenJPEG was given, read as signed
  const expected = Array.from({ length: 108 }, (_, i) => (((i * i * 7 + i * 131) % 256) << 24) >> 24)
  expect(await decode(inJpeg2000({ ...datasetOf(kind), Rows: 9, Columns: 12 }, stream))).toEqual(expected)
})

describe('what the decoder would read wrong without a word', () => {
  it.each([JPEG_2000, '1.2.840.10008.1.2.4.91', '1.2.840.10008.1.2.4.201', '1.2.840.10008.1.2.4.202'])('is refused: color of 16 bits in %s', async (transferSyntaxUid) => {
    const kind: Kind = { bits: 16, isSigned: false, samples: 3 }
    const frame = { rows: ROWS, columns: COLUMNS, samplesPerPixel: 3, bitsAllocated: 16, bitsStored: 16, isSigned: false, bytes: toBytes(valuesOf(kind), kind) } as const
    const file = buildPart10({ transferSyntaxUid, dataset: datasetOf(kind), encapsulated: { offsets: [], fragments: [await encodeFrame(frame, transferSyntaxUid)] } })
    await expect(decode(file)).rejects.toMatchObject({ code: 'bits-unsupported', facts: { bitsAllocated: 16, bitsStored: 16 } })
  })

  it('is refused: 32 bits in a codestream, while RLE holds them', async () => {
    const deep = { ...IMAGE, Rows: 1, Columns: 1, BitsAllocated: 32, BitsStored: 32, HighBit: 31 }
    expect(() => openDicom(inJpeg2000(deep, new Uint8Array(60)))).toThrow(expect.objectContaining({ code: 'bits-unsupported' }))
    const header = Buffer.alloc(64)
    ;[4, 64, 66, 68, 70].forEach((value, i) => {
      header.writeUInt32LE(value, 4 * i)
    })
    const rle = Buffer.concat([header, Buffer.from([0, 0x12, 0, 0x34, 0, 0x56, 0, 0x78])])
    expect(await decode(buildPart10({ transferSyntaxUid: '1.2.840.10008.1.2.5', dataset: deep, encapsulated: { offsets: [], fragments: [rle] } }))).toEqual([0x12345678])
  })
})
