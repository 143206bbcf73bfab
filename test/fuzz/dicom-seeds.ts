/** Small valid files out: every transfer syntax with every kind of pixel that it can hold, each the start of many spoilt ones. */
import { TRANSFER_SYNTAXES, type TransferSyntax } from '../../src/dicom/transfer-syntaxes.ts'
import { encodeFrame } from '../support/encode-frame.ts'
import { BIG_ENDIAN, buildPart10, EXPLICIT, IMAGE, type SyntheticDataset, words } from '../support/synthetic-dicom.ts'

export interface FuzzSeed {
  readonly name: string
  readonly bytes: Uint8Array
}

interface Kind {
  readonly name: string
  readonly bitsAllocated: 8 | 16
  readonly bitsStored: number
  readonly isSigned: boolean
  readonly samplesPerPixel: 1 | 3
  readonly photometric: string
  readonly more: SyntheticDataset
}

const ROWS = 9
const COLUMNS = 12

const lut = (bigEndian: boolean): SyntheticDataset => ({ LUTDescriptor: [4, 0, 16], LUTData: words([0, 100, 2000, 65_535], bigEndian) })

const palette = (bigEndian: boolean): SyntheticDataset => ({
  RedPaletteColorLookupTableDescriptor: [4, 0, 16],
  RedPaletteColorLookupTableData: words([0, 1, 2, 65_535], bigEndian),
  GreenPaletteColorLookupTableDescriptor: [6, 0, 16],
  SegmentedGreenPaletteColorLookupTableData: words([0, 1, 7, 1, 4, 1000, 0, 1, 9], bigEndian),
  BluePaletteColorLookupTableDescriptor: [4, 0, 8],
  BluePaletteColorLookupTableData: Uint8Array.of(0, 5, 9, 255),
})

const gray = (name: string, bitsAllocated: 8 | 16, bitsStored: number, isSigned: boolean, photometric: string, more: SyntheticDataset): Kind => ({
  name,
  bitsAllocated,
  bitsStored,
  isSigned,
  samplesPerPixel: 1,
  photometric,
  more,
})

const kinds = (bigEndian: boolean): readonly Kind[] => [
  gray('u8', 8, 8, false, 'MONOCHROME2', { WindowCenter: '128\\60', WindowWidth: '256\\10' }),
  gray('u12', 16, 12, false, 'MONOCHROME1', { ModalityLUTSequence: [lut(bigEndian)], PixelPaddingValue: 0, PixelPaddingRangeLimit: 3 }),
  gray('s16', 16, 16, true, 'MONOCHROME2', { RescaleSlope: '0.5', RescaleIntercept: '-1024', VOILUTSequence: [lut(bigEndian)], PixelSpacing: '1\\2' }),
  gray('palette', 8, 8, false, 'PALETTE COLOR', palette(bigEndian)),
  { name: 'rgb8', bitsAllocated: 8, bitsStored: 8, isSigned: false, samplesPerPixel: 3, photometric: 'RGB', more: { PlanarConfiguration: 0 } },
]

/** Attributes of an enhanced multi-frame image: windows and rescales of each frame. */
const functionalGroups = (frames: number): SyntheticDataset => ({
  NumberOfFrames: String(frames),
  SharedFunctionalGroupsSequence: [{ PixelMeasuresSequence: [{ PixelSpacing: '0.5\\0.5' }] }],
  PerFrameFunctionalGroupsSequence: Array.from({ length: frames }, (_, i) => ({
    FrameVOILUTSequence: [{ WindowCenter: String(10 * (i + 1)), WindowWidth: '20', VOILUTFunction: 'SIGMOID' }],
    PixelValueTransformationSequence: [{ RescaleSlope: '2', RescaleIntercept: '0' }],
  })),
})

/** 17 transfer syntaxes x 5 kinds of pixel x 1 and 3 frames, less what an encoder of the tests cannot make. */
export async function buildDicomSeeds(): Promise<FuzzSeed[]> {
  const seeds: FuzzSeed[] = []
  for (const syntax of TRANSFER_SYNTAXES) {
    for (const kind of kinds(syntax.bigEndian)) {
      for (const frames of [1, 3]) {
        if (canHold(syntax, kind)) seeds.push({ name: `${syntax.uid} ${kind.name} x${frames}`, bytes: await buildSeed(syntax, kind, frames) })
      }
    }
  }
  return [...seeds, ...buildOddSeeds()]
}

/** The DCT encoder takes 8 bits only. */
const canHold = (syntax: TransferSyntax, kind: Kind): boolean => syntax.codec !== 'jpeg' || syntax.lossless || kind.bitsAllocated === 8

async function buildSeed(syntax: TransferSyntax, kind: Kind, frames: number): Promise<Uint8Array> {
  const samples = ROWS * COLUMNS * kind.samplesPerPixel
  const values = Array.from({ length: samples * frames }, (_, i) => (i * i * 7 + i * 131) % 2 ** kind.bitsStored)
  const toBytes = (part: readonly number[], bigEndian: boolean): Uint8Array => (kind.bitsAllocated === 8 ? Uint8Array.from(part) : words(part, bigEndian))
  const dataset: SyntheticDataset = {
    ...IMAGE,
    Rows: ROWS,
    Columns: COLUMNS,
    SamplesPerPixel: kind.samplesPerPixel,
    PhotometricInterpretation: kind.photometric,
    BitsAllocated: kind.bitsAllocated,
    BitsStored: kind.bitsStored,
    HighBit: kind.bitsStored - 1,
    PixelRepresentation: kind.isSigned ? 1 : 0,
    ...kind.more,
    ...(frames > 1 ? functionalGroups(frames) : {}),
  }
  const file = { transferSyntaxUid: syntax.uid, pixelVr: kind.bitsAllocated === 8 ? 'OB' : 'OW' } as const
  if (syntax.codec === 'native') return buildPart10({ ...file, dataset: { ...dataset, PixelData: toBytes(values, syntax.uid === BIG_ENDIAN) } })
  const frame = { ...kind, rows: ROWS, columns: COLUMNS }
  const fragments: Uint8Array[] = []
  for (let i = 0; i < frames; i++) fragments.push(await encodeFrame({ ...frame, bytes: toBytes(values.slice(i * samples, (i + 1) * samples), false) }, syntax.uid))
  return buildPart10({ ...file, dataset, encapsulated: withOffsets(fragments, frames) })
}

/** Three frames in four fragments with a table of offsets; one frame in one without. */
function withOffsets(fragments: readonly Uint8Array[], frames: number): { readonly offsets: readonly number[]; readonly fragments: readonly Uint8Array[] } {
  const [first = new Uint8Array(0), ...rest] = fragments
  if (frames === 1) return { offsets: [], fragments }
  const cut = (first.length >> 2) << 1
  const parts = [first.subarray(0, cut), first.subarray(cut), ...rest]
  const starts = parts.map((_, i) => parts.slice(0, i).reduce((sum, { length }) => sum + 8 + length + (length % 2), 0))
  return { offsets: starts.filter((__, i) => i !== 1), fragments: parts }
}

/** What the table above does not make: 1, 24 and 32 bits, native 4:2:2, nested sequences. */
function buildOddSeeds(): FuzzSeed[] {
  const nested = Array.from({ length: 20 }).reduce<SyntheticDataset>((inner) => ({ ReferencedImageSequence: [inner] }), { Modality: 'OT' })
  const odd = (name: string, bits: number, more: SyntheticDataset): FuzzSeed => ({
    name,
    bytes: buildPart10({ transferSyntaxUid: EXPLICIT, dataset: { ...IMAGE, Rows: 4, Columns: 6, BitsAllocated: bits, BitsStored: bits, HighBit: bits - 1, ...more } }),
  })
  return [
    odd('1 bit', 1, { PixelData: Uint8Array.of(1, 2, 3, 4) }),
    odd('24 bits', 24, { PixelData: new Uint8Array(72).fill(3) }),
    odd('32 bits', 32, { PixelData: new Uint8Array(96).fill(9) }),
    odd('4:2:2', 8, { SamplesPerPixel: 3, PhotometricInterpretation: 'YBR_FULL_422', PlanarConfiguration: 0, PixelData: new Uint8Array(48).fill(100) }),
    odd('nested', 16, { ...nested, PixelData: new Uint8Array(48).fill(100) }),
  ]
}
