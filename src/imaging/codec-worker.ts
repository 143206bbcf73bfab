/**
 * A thread's messages in, one frame's codestream each, its samples out; the only file that knows dcmjs-codecs.
 *
 * Nothing else lives in this thread, so that it can be ended in the middle of a frame and nothing is lost but the codec's own memory.
 */
import { parentPort } from 'node:worker_threads'
import dcmjsCodecs from 'dcmjs-codecs'
import type { CodecAnswer, CodecRequest } from './codec-thread.ts'

const { Context, NativeCodecs, log } = dcmjsCodecs

/** The library prints what it finds in a header, and so would put a patient's data into a log. */
log.setLevel('silent')

type CodecContext = InstanceType<typeof Context>

type Decoder = (context: CodecContext, parameters: { convertColorspaceToRgb: boolean }) => CodecContext

const DECODERS: Readonly<Record<CodecRequest['codec'], Decoder>> = {
  jpeg: (context, parameters) => NativeCodecs.decodeJpeg(context, parameters),
  'jpeg-ls': (context) => NativeCodecs.decodeJpegLs(context),
  'jpeg-2000': (context) => NativeCodecs.decodeJpeg2000(context),
  htj2k: (context) => NativeCodecs.decodeHtJpeg2000(context),
}

/** A failure may leave the library's memory in any state, so that it is made anew before the next frame. */
async function answer(request: CodecRequest): Promise<CodecAnswer> {
  try {
    if (!NativeCodecs.isInitialized()) await initialize()
    return { kind: 'decoded', samples: decode(request), memoryBytes: memory()?.byteLength ?? 0 }
  } catch (error) {
    NativeCodecs.release()
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) }
  }
}

const initialize = (): Promise<unknown> => NativeCodecs.initializeAsync({ logCodecsInfo: false, logCodecsTrace: false })

/** The library keeps its memory to itself; its name is pinned with its version. */
function memory(): ArrayBuffer | undefined {
  const { wasmApi } = NativeCodecs as unknown as { readonly wasmApi?: { readonly wasmMemory: { readonly buffer: ArrayBuffer } } }
  return wasmApi?.wasmMemory.buffer
}

function decode(request: CodecRequest): Uint8Array<ArrayBuffer> {
  const context = new Context({
    width: request.columns,
    height: request.rows,
    bitsAllocated: request.bitsAllocated,
    bitsStored: request.bitsStored,
    samplesPerPixel: request.samplesPerPixel,
    pixelRepresentation: request.isSigned ? 1 : 0,
    planarConfiguration: 0,
    photometricInterpretation: request.photometricInterpretation,
    encodedBuffer: request.frame,
  })
  const decoded = DECODERS[request.codec](context, { convertColorspaceToRgb: request.photometricInterpretation.startsWith('YBR') }).getDecodedBuffer()
  return checkSize(decoded ?? new Uint8Array(0), request)
}

/** The bytes of 1, 2 or 4 a sample, in a buffer that can be given away; any other number is a failure that the library did not report. */
function checkSize(decoded: Uint8Array, { rows, columns, samplesPerPixel, precision }: CodecRequest): Uint8Array<ArrayBuffer> {
  const samples = rows * columns * samplesPerPixel
  const size = decoded.length / samples
  if (!(size === 4 || (size === 2 && precision <= 16) || (size === 1 && precision <= 8))) throw new RangeError(`a decoder gave ${decoded.length} bytes for ${samples} samples`)
  const isWhole = decoded.buffer instanceof ArrayBuffer && decoded.buffer !== memory() && decoded.length === decoded.buffer.byteLength
  return isWhole ? (decoded as Uint8Array<ArrayBuffer>) : new Uint8Array(decoded)
}

await initialize()
parentPort?.on('message', async (request: CodecRequest) => {
  const reply = await answer(request)
  parentPort?.postMessage(reply, reply.kind === 'decoded' ? [reply.samples.buffer] : [])
})
parentPort?.postMessage({ kind: 'ready' } satisfies CodecAnswer)
