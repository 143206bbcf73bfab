/** A transfer syntax UID in, how its data set and its pixels are encoded out: the whitelist of what is read. */

export type PixelCodec = 'native' | 'rle' | 'jpeg' | 'jpeg-ls' | 'jpeg-2000' | 'htj2k'

export interface TransferSyntax {
  readonly uid: string
  /** Name as in PS3.6 table A-1, shortened. */
  readonly name: string
  readonly explicitVr: boolean
  readonly bigEndian: boolean
  readonly deflated: boolean
  readonly codec: PixelCodec
  /** True where the syntax can hold nothing but the exact stored values. */
  readonly lossless: boolean
}

const native = (uid: string, name: string, more: Partial<TransferSyntax> = {}): TransferSyntax => ({
  uid,
  name,
  explicitVr: true,
  bigEndian: false,
  deflated: false,
  codec: 'native',
  lossless: true,
  ...more,
})

const encapsulated = (uid: string, name: string, codec: PixelCodec, lossless: boolean): TransferSyntax => native(uid, name, { codec, lossless })

/**
 * Every transfer syntax that is read. Source: PS3.5 annex A.
 * .53 is retired and still met in old archives; its streams decode as the other JPEG processes do.
 */
export const TRANSFER_SYNTAXES: readonly TransferSyntax[] = [
  native('1.2.840.10008.1.2', 'Implicit VR Little Endian', { explicitVr: false }),
  native('1.2.840.10008.1.2.1', 'Explicit VR Little Endian'),
  native('1.2.840.10008.1.2.1.99', 'Deflated Explicit VR Little Endian', { deflated: true }),
  native('1.2.840.10008.1.2.2', 'Explicit VR Big Endian', { bigEndian: true }),
  encapsulated('1.2.840.10008.1.2.5', 'RLE Lossless', 'rle', true),
  encapsulated('1.2.840.10008.1.2.4.50', 'JPEG Baseline (Process 1)', 'jpeg', false),
  encapsulated('1.2.840.10008.1.2.4.51', 'JPEG Extended (Process 2 and 4)', 'jpeg', false),
  encapsulated('1.2.840.10008.1.2.4.53', 'JPEG Spectral Selection (Process 6 and 8, retired)', 'jpeg', false),
  encapsulated('1.2.840.10008.1.2.4.57', 'JPEG Lossless (Process 14)', 'jpeg', true),
  encapsulated('1.2.840.10008.1.2.4.70', 'JPEG Lossless (Process 14, Selection Value 1)', 'jpeg', true),
  encapsulated('1.2.840.10008.1.2.4.80', 'JPEG-LS Lossless', 'jpeg-ls', true),
  encapsulated('1.2.840.10008.1.2.4.81', 'JPEG-LS Near-Lossless', 'jpeg-ls', false),
  encapsulated('1.2.840.10008.1.2.4.90', 'JPEG 2000 (Lossless Only)', 'jpeg-2000', true),
  encapsulated('1.2.840.10008.1.2.4.91', 'JPEG 2000', 'jpeg-2000', false),
  encapsulated('1.2.840.10008.1.2.4.201', 'HTJ2K (Lossless Only)', 'htj2k', true),
  encapsulated('1.2.840.10008.1.2.4.202', 'HTJ2K RPCL (Lossless Only)', 'htj2k', true),
  encapsulated('1.2.840.10008.1.2.4.203', 'HTJ2K', 'htj2k', false),
]

const byUid = new Map(TRANSFER_SYNTAXES.map((syntax) => [syntax.uid, syntax]))

/** The whitelisted syntax of that UID, undefined for every other. */
export const findTransferSyntax = (uid: string): TransferSyntax | undefined => byUid.get(uid)
