/** A picture's stored values and a transfer syntax in, the picture as a DICOM file in that syntax out: twins that must be read alike. */
import { TRANSFER_SYNTAXES } from '../../src/dicom/transfer-syntaxes.ts'
import { encodeFrame, type FrameToEncode } from './encode-frame.ts'
import { BIG_ENDIAN, buildPart10, IMAGE, type SyntheticDataset, words } from './synthetic-dicom.ts'

export interface Picture {
  readonly rows: number
  readonly columns: number
  readonly bitsStored: number
  readonly isSigned: boolean
  readonly samplesPerPixel: 1 | 3
  /** rows x columns x samples, color interleaved. */
  readonly values: readonly number[]
  readonly modality?: string
}

/** Every syntax that loses nothing; the reader knows all of them. */
export const LOSSLESS = TRANSFER_SYNTAXES.filter((syntax) => syntax.lossless)

export async function buildTwin({ rows, columns, bitsStored, isSigned, samplesPerPixel, values, modality }: Picture, transferSyntaxUid: string): Promise<Uint8Array> {
  const bitsAllocated = bitsStored <= 8 ? 8 : 16
  const toBytes = (bigEndian: boolean): Uint8Array => (bitsAllocated === 8 ? Uint8Array.from(values) : words(values, bigEndian))
  const dataset: SyntheticDataset = {
    ...IMAGE,
    ...(modality === undefined ? {} : { Modality: modality }),
    Rows: rows,
    Columns: columns,
    SamplesPerPixel: samplesPerPixel,
    PhotometricInterpretation: samplesPerPixel === 3 ? 'RGB' : 'MONOCHROME2',
    ...(samplesPerPixel === 3 ? { PlanarConfiguration: 0 } : {}),
    BitsAllocated: bitsAllocated,
    BitsStored: bitsStored,
    HighBit: bitsStored - 1,
    PixelRepresentation: isSigned ? 1 : 0,
  }
  const isNative = LOSSLESS.find(({ uid }) => uid === transferSyntaxUid)?.codec === 'native'
  if (isNative) return buildPart10({ transferSyntaxUid, dataset: { ...dataset, PixelData: toBytes(transferSyntaxUid === BIG_ENDIAN) }, pixelVr: bitsAllocated === 8 ? 'OB' : 'OW' })
  const frame: FrameToEncode = { rows, columns, samplesPerPixel, bitsAllocated, bitsStored, isSigned, bytes: toBytes(false) }
  return buildPart10({ transferSyntaxUid, dataset, encapsulated: { offsets: [], fragments: [await encodeFrame(frame, transferSyntaxUid)] } })
}
