/** A checked codestream in, its samples out; what the codec's thread cannot decode is a Problem here. */
import type { TransferSyntax } from '../dicom/transfer-syntaxes.ts'
import { Problem } from '../domain/problem.ts'
import { CodecFailure, CodecTimeout, createCodecThread, DICOM_CODECS } from './codec-thread.ts'
import { type CodestreamHeader, findJpeg2000 } from './read-codestream.ts'
import type { PixelDescription } from './read-pixel-description.ts'

/** One a process, shared by all its images: an engine decodes one at a time. */
const codecs = createCodecThread(DICOM_CODECS)

/**
 * The frame's samples in the codestream's own order, unsigned, of 1, 2 or 4 bytes each.
 *
 * JPEG samples of a YBR_* image come back as RGB; all other color transforms are undone by the codestream itself.
 * A frame that takes longer than limitOfFrame allows is given up.
 * Throws: "codec-failed", "codec-timeout".
 */
export async function decodeCodestream(
  frame: Uint8Array,
  header: CodestreamHeader,
  description: PixelDescription,
  { codec, uid }: TransferSyntax,
): Promise<Uint8Array | Uint16Array | Uint32Array> {
  if (codec === 'native' || codec === 'rle') throw new RangeError(`${codec} is no codestream`)
  const { rows, columns, samplesPerPixel, bitsAllocated, bitsStored, isSigned, photometricInterpretation } = description
  const stream = codec === 'jpeg-2000' || codec === 'htj2k' ? frame.subarray(findJpeg2000(frame)) : frame
  const shape = { rows, columns, samplesPerPixel, bitsAllocated, bitsStored, isSigned, photometricInterpretation, precision: header.precision }
  try {
    // the file's own buffer must outlive the frame: the codec is given a frame of its own, and gives its samples away
    const bytes = await codecs.decode({ codec, frame: new Uint8Array(stream), ...shape })
    return toSamples(bytes, rows * columns * samplesPerPixel)
  } catch (error) {
    if (error instanceof CodecTimeout) throw new Problem('codec-timeout', 'a compressed frame took too long to decode', { transferSyntaxUid: uid, limitMs: error.limitMs }, error)
    if (!(error instanceof CodecFailure)) throw error
    throw new Problem('codec-failed', 'a compressed frame cannot be decoded', { transferSyntaxUid: uid }, error)
  }
}

/** The bytes as words; their number tells their size. */
function toSamples({ buffer }: Uint8Array<ArrayBuffer>, samples: number): Uint8Array | Uint16Array | Uint32Array {
  if (buffer.byteLength === samples) return new Uint8Array(buffer)
  return buffer.byteLength === 2 * samples ? new Uint16Array(buffer) : new Uint32Array(buffer)
}
