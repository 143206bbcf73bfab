/** The first bytes of a compressed frame in, what the codestream says of its image out: read before a decoder allocates for it. */
import type { PixelCodec } from '../dicom/transfer-syntaxes.ts'

/** A codestream's own header. */
export interface CodestreamHeader {
  readonly columns: number
  readonly rows: number
  readonly components: number
  /** Bits a sample, the largest of all components. */
  readonly precision: number
  /** JPEG-LS: samples of a pixel side by side, or one scan a component. */
  readonly isPlanar: boolean
  /** JPEG 2000: components went through RCT or ICT, so that a decoder gives RGB back. */
  readonly isColorTransformed: boolean
}

/** The header, undefined where it cannot be found: the caller knows what to call that. */
export function readCodestream(frame: Uint8Array, codec: PixelCodec): CodestreamHeader | undefined {
  if (codec === 'jpeg' || codec === 'jpeg-ls') return readJpeg(frame, codec)
  return readJpeg2000(frame.subarray(findJpeg2000(frame)))
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

/** Every marker of a JPEG or JPEG-LS stream up to its EOI, without which a decoder may not come back (ITU-T T.81 B.1, T.87 C.1); what the first frame and scan say. */
function readJpeg(frame: Uint8Array, codec: PixelCodec): CodestreamHeader | undefined {
  const data = view(frame)
  if (frame.length < 4 || data.getUint16(0) !== 0xffd8) return undefined
  let header: CodestreamHeader | undefined
  let isPlanar: boolean | undefined
  for (let at = 2; at < frame.length; ) {
    const marker = data.getUint8(at) === 0xff && at + 1 < frame.length ? data.getUint8(at + 1) : -1
    if (marker === EOI) return header === undefined || isPlanar === undefined ? undefined : { ...header, isPlanar: header.components > 1 && isPlanar }
    if (marker === 0xff) {
      at++ // fill bytes may stand before a marker
      continue
    }
    if (!opensSegment(marker) || at + 4 > frame.length) return undefined
    const end = at + 2 + data.getUint16(at + 2)
    const segment = frame.subarray(at + 4, end)
    if (header === undefined && isStartOfFrame(marker)) header = readStartOfFrame(segment)
    if (marker === SOS) isPlanar ??= segment[0] === 1
    at = marker === SOS ? findMarker(frame, end, codec) : end
  }
  return undefined
}

const EOI = 0xd9
const SOS = 0xda

/**
 * Whether a marker may stand between segments: frames, tables, scans, application data, comments, and LSE of JPEG-LS.
 * A lone TEM, RST or reserved marker there makes the lossless decoder wait for ever.
 */
const opensSegment = (marker: number): boolean => (marker >= 0xc0 && marker <= 0xcf) || marker >= SOS

/** Where the coded data of a scan ends: at the next marker that is no restart, or at the end of the bytes. Data may hold 0xFF before 0x00, in JPEG-LS before all below 0x80. */
function findMarker(frame: Uint8Array, from: number, codec: PixelCodec): number {
  const firstMarker = codec === 'jpeg-ls' ? 0x80 : 0x01
  let at = frame.indexOf(0xff, from)
  while (at >= 0) {
    const next = frame[at + 1] ?? 0
    const isRestart = next >= 0xd0 && next <= 0xd7
    if (next >= firstMarker && next !== 0xff && !isRestart) return at
    at = frame.indexOf(0xff, at + 1)
  }
  return frame.length
}

/** SOF0 to SOF15 without DHT, JPG and DAC; SOF55 of JPEG-LS. */
function isStartOfFrame(marker: number): boolean {
  return (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) || marker === 0xf7
}

function readStartOfFrame(segment: Uint8Array): CodestreamHeader | undefined {
  if (segment.length < 6) return undefined
  const data = view(segment)
  return { precision: data.getUint8(0), rows: data.getUint16(1), columns: data.getUint16(3), components: data.getUint8(5), isPlanar: false, isColorTransformed: false }
}

/** Where the codestream begins: at once, or inside the jp2c box of a JP2 file, which does not belong into DICOM and is met there (ITU-T T.800 annex I). */
export function findJpeg2000(frame: Uint8Array): number {
  const data = view(frame)
  if (frame.length < 12 || data.getUint32(4) !== 0x6a502020) return 0
  for (let at = 0; at + 8 <= frame.length; ) {
    const length = data.getUint32(at)
    if (data.getUint32(at + 4) === 0x6a703263) return at + (length === 1 ? 16 : 8)
    if (length < 8) return 0
    at += length
  }
  return 0
}

/** SOC, SIZ and the first COD (ITU-T T.800 A.5.1, A.6.1). */
function readJpeg2000(stream: Uint8Array): CodestreamHeader | undefined {
  const data = view(stream)
  if (stream.length < 42 || data.getUint32(0) !== 0xff4fff51) return undefined
  const components = data.getUint16(40)
  if (stream.length < 42 + 3 * components || components === 0 || !hasLegalGrid(data)) return undefined
  let precision = 0
  for (let i = 0; i < components; i++) {
    precision = Math.max(precision, (data.getUint8(42 + 3 * i) & 0x7f) + 1)
    const isSubsampled = data.getUint16(43 + 3 * i) !== 0x0101
    if (isSubsampled) return undefined
  }
  const columns = data.getUint32(8) - data.getUint32(16)
  const rows = data.getUint32(12) - data.getUint32(20)
  return { columns, rows, components, precision, isPlanar: false, isColorTransformed: readColorTransform(stream) }
}

/** ITU-T T.800 A.5.1: tiles are numbered with 16 bits. */
const MAX_TILES = 65_535

/**
 * Whether image and tiles lie on the reference grid as ITU-T T.800 B.3 demands: the first tile holds the image's first sample.
 * A decoder of HTJ2K that is given another grid does not come back.
 */
function hasLegalGrid(data: DataView): boolean {
  const isLegal = (axis: 0 | 4): boolean => {
    const [end, start, tile, tileStart] = [8, 16, 24, 32].map((field) => data.getUint32(field + axis)) as [number, number, number, number]
    return end > start && tile > 0 && tileStart <= start && tileStart + tile > start
  }
  const tilesAlong = (axis: 0 | 4): number => Math.ceil((data.getUint32(8 + axis) - data.getUint32(32 + axis)) / data.getUint32(24 + axis))
  return isLegal(0) && isLegal(4) && tilesAlong(0) * tilesAlong(4) <= MAX_TILES
}

function readColorTransform(stream: Uint8Array): boolean {
  const data = view(stream)
  for (let at = 2; at + 4 <= stream.length; at += 2 + data.getUint16(at + 2)) {
    const marker = data.getUint16(at)
    if (marker === 0xff52) return stream[at + 8] === 1
    if (marker === 0xff90 || marker < 0xff00) return false
  }
  return false
}
