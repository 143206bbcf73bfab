/** A checked codestream in, its samples out; the only file that knows dcmjs-codecs. */
import dcmjsCodecs from 'dcmjs-codecs'
import type { TransferSyntax } from '../dicom/transfer-syntaxes.ts'
import { Problem } from '../domain/problem.ts'
import { type CodestreamHeader, findJpeg2000 } from './read-codestream.ts'
import type { PixelDescription } from './read-pixel-description.ts'

const { Context, NativeCodecs, log } = dcmjsCodecs

/** The library prints what it finds in a header, and so would put a patient's data into a log. */
log.setLevel('silent')

type Decoder = (context: InstanceType<typeof Context>, parameters: { convertColorspaceToRgb: boolean }) => InstanceType<typeof Context>

const DECODERS: Readonly<Record<Exclude<TransferSyntax['codec'], 'native' | 'rle'>, Decoder>> = {
  jpeg: (context, parameters) => NativeCodecs.decodeJpeg(context, parameters),
  'jpeg-ls': (context) => NativeCodecs.decodeJpegLs(context),
  'jpeg-2000': (context) => NativeCodecs.decodeJpeg2000(context),
  htj2k: (context) => NativeCodecs.decodeHtJpeg2000(context),
}

/**
 * The frame's samples in the codestream's own order, unsigned, of 1, 2 or 4 bytes each.
 *
 * JPEG samples of a YBR_* image come back as RGB; all other color transforms are undone by the codestream itself.
 * A failure may leave the library's memory in any state, so that it is made anew before the next frame.
 * Throws: "codec-failed".
 */
export async function decodeCodestream(
  frame: Uint8Array,
  header: CodestreamHeader,
  description: PixelDescription,
  syntax: TransferSyntax,
): Promise<Uint8Array | Uint16Array | Uint32Array> {
  if (syntax.codec === 'native' || syntax.codec === 'rle') throw new RangeError(`${syntax.codec} is no codestream`)
  if (!NativeCodecs.isInitialized()) await NativeCodecs.initializeAsync({ logCodecsInfo: false, logCodecsTrace: false })
  const samples = description.rows * description.columns * description.samplesPerPixel
  try {
    const stream = syntax.codec === 'jpeg-2000' || syntax.codec === 'htj2k' ? frame.subarray(findJpeg2000(frame)) : frame
    const decoded = DECODERS[syntax.codec](toContext(stream, description), {
      convertColorspaceToRgb: description.photometricInterpretation.startsWith('YBR'),
    }).getDecodedBuffer()
    const values = toSamples(decoded, samples, header)
    releaseIfLarge()
    return values
  } catch (error) {
    NativeCodecs.release()
    if (error instanceof Problem) throw error
    throw new Problem('codec-failed', 'a compressed frame cannot be decoded', { transferSyntaxUid: syntax.uid }, error)
  }
}

/** The library's memory grows to the largest frame that it has met and never shrinks; above this it is given back. */
const MAX_IDLE_MEMORY_BYTES = 256 * 1024 * 1024

function releaseIfLarge(): void {
  // the library keeps its memory to itself; its name is pinned with its version
  const { wasmApi } = NativeCodecs as unknown as { readonly wasmApi?: { readonly wasmMemory: { readonly buffer: ArrayBuffer } } }
  if ((wasmApi?.wasmMemory.buffer.byteLength ?? 0) > MAX_IDLE_MEMORY_BYTES) NativeCodecs.release()
}

function toContext(encodedBuffer: Uint8Array, description: PixelDescription): InstanceType<typeof Context> {
  return new Context({
    width: description.columns,
    height: description.rows,
    bitsAllocated: description.bitsAllocated,
    bitsStored: description.bitsStored,
    samplesPerPixel: description.samplesPerPixel,
    pixelRepresentation: description.isSigned ? 1 : 0,
    planarConfiguration: 0,
    photometricInterpretation: description.photometricInterpretation,
    encodedBuffer,
  })
}

/** The decoder's bytes as words; their number tells their size, and any other number is a failure that the library did not report. */
function toSamples(decoded: Uint8Array | undefined, samples: number, header: CodestreamHeader): Uint8Array | Uint16Array | Uint32Array {
  const bytes = decoded ?? new Uint8Array(0)
  const size = bytes.length / samples
  if (size === 1 && header.precision <= 8) return bytes
  const aligned = bytes.slice().buffer
  if (size === 2 && header.precision <= 16) return new Uint16Array(aligned)
  if (size === 4) return new Uint32Array(aligned)
  throw new RangeError(`a decoder gave ${bytes.length} bytes for ${samples} samples`)
}
