/**
 * A codestream in, its samples out, decoded in a thread of its own that is ended when a frame takes too long.
 *
 * A damaged codestream can keep a decoder busy without end. Ending the whole engine for it would cost its loaded models and its deadline's wait;
 * ending this thread costs the codec's start (some 100 ms) at the next compressed frame, and nothing else is in it.
 */
import type { EventEmitter } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { PixelCodec } from '../dicom/transfer-syntaxes.ts'

/** A frame for the codec. Its buffer is given away with it. */
export interface CodecRequest {
  readonly codec: Exclude<PixelCodec, 'native' | 'rle'>
  readonly frame: Uint8Array<ArrayBuffer>
  readonly rows: number
  readonly columns: number
  readonly samplesPerPixel: number
  readonly bitsAllocated: number
  readonly bitsStored: number
  readonly isSigned: boolean
  readonly photometricInterpretation: string
  /** Bits a sample by the codestream's own header. */
  readonly precision: number
}

/** What the thread says: once that it waits for frames, then one answer a frame. `memoryBytes` is what the codec holds by then. */
export type CodecAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'decoded'; readonly samples: Uint8Array<ArrayBuffer>; readonly memoryBytes: number }
  | { readonly kind: 'failed'; readonly reason: string }

/** Why a frame has no samples: `reason` names limits and the library's complaint, nothing of the image. */
export class CodecFailure extends Error {
  override readonly name = 'CodecFailure'
}

export interface CodecThreadSettings {
  /** The thread's entry file. */
  readonly entry: URL
  /** How long one frame may take. */
  limitMs(request: CodecRequest): number
  /** After so many frames the thread is given back, whatever its memory: a bound on what each may leave behind. */
  readonly maxFrames: number
  /** The codec's memory grows to the largest frame that it has met and never shrinks; above this it is given back. */
  readonly maxMemoryBytes: number
}

export interface CodecThread {
  /**
   * The frame's samples, little endian, one frame after another however many are asked for at once.
   *
   * Throws: CodecFailure, of which CodecTimeout is one.
   */
  decode(request: CodecRequest): Promise<Uint8Array<ArrayBuffer>>
  /** Ends the thread that there is; a later frame starts another. */
  stop(): Promise<void>
}

/**
 * How long a frame may take at most: 2 s, 1 s for each million samples, and 3 s for each million bytes of codestream.
 *
 * Bytes are what an entropy decoder works on, samples what the transforms behind it do. The slowest legal frame that was made, JPEG 2000 of noise in
 * 16 bits (2048 x 2048, 8.4 MB), takes 3 to 6 s on a busy core and is given 31; a radiograph of 3.6 million samples takes 0.15 s and is given
 * more than 5. The first 2 s are for small frames, of which only the wait for a core counts. The clock starts when the codec waits for the frame,
 * so that its own start costs nothing; an engine's deadline ends what is longer.
 */
export function limitOfFrame({ rows, columns, samplesPerPixel, frame }: Pick<CodecRequest, 'rows' | 'columns' | 'samplesPerPixel' | 'frame'>): number {
  const samples = rows * columns * samplesPerPixel
  return BASE_LIMIT_MS + Math.ceil((samples + 3 * frame.length) / 1000)
}

export const BASE_LIMIT_MS = 2000

/** The thread that decodes compressed DICOM frames. */
export const DICOM_CODECS: CodecThreadSettings = {
  entry: new URL('./codec-worker.ts', import.meta.url),
  limitMs: limitOfFrame,
  maxFrames: 5000,
  maxMemoryBytes: 256 * 1024 * 1024,
}

/** One thread that waits for frames, and what it did so far. */
interface Running {
  readonly worker: Worker
  readonly ready: Promise<void>
  frames: number
}

/** A thread that is started by the first frame, and again after each one that was ended. It does not keep the process alive while it waits. */
export function createCodecThread(settings: CodecThreadSettings): CodecThread {
  let running: Running | undefined
  let last: Promise<unknown> = Promise.resolve()

  const forget = (ended: Running): void => {
    if (running === ended) running = undefined
  }

  const end = async (): Promise<void> => {
    const ended = running
    running = undefined
    await ended?.worker.terminate()
  }

  const decodeNow = async (request: CodecRequest): Promise<Uint8Array<ArrayBuffer>> => {
    running ??= start(settings.entry, forget)
    running.worker.ref()
    try {
      await running.ready
      const answer = await ask(running.worker, request, settings.limitMs(request))
      running.frames++
      if (answer.kind !== 'decoded') throw new CodecFailure(answer.kind === 'failed' ? answer.reason : 'the codec answered out of turn')
      if (answer.memoryBytes > settings.maxMemoryBytes) await end()
      return answer.samples
    } catch (error) {
      if (error instanceof ThreadLost) await end()
      throw error
    } finally {
      if (running !== undefined && running.frames >= settings.maxFrames) await end()
      running?.worker.unref()
    }
  }

  return {
    decode: (request) => {
      const decoded = last.then(() => decodeNow(request))
      last = decoded.catch(() => undefined)
      return decoded
    },
    stop: () => {
      const stopped = last.then(end)
      last = stopped.catch(() => undefined)
      return stopped
    },
  }
}

/** The thread is gone or of no more use. */
class ThreadLost extends CodecFailure {}

/** The frame's time ran out: the codestream keeps the codec busy without end, or the machine had no time for it. */
export class CodecTimeout extends ThreadLost {
  readonly limitMs: number

  constructor(limitMs: number) {
    super(`a frame took longer than ${limitMs} ms`)
    this.limitMs = limitMs
  }
}

/** Neither the environment nor the flags of the process are the codec's business. */
function start(entry: URL, onEnd: (running: Running) => void): Running {
  const worker = new Worker(entry, { env: {}, argv: [], execArgv: ['--disable-warning=ExperimentalWarning'] })
  const ready = next(worker, undefined).then(({ kind }) => {
    if (kind !== 'ready') throw new ThreadLost('the codec did not start')
  })
  const running = { worker, ready, frames: 0 }
  // A thread that dies while it waits is nobody's failure: an error without a listener would be the process' own.
  worker.on('error', () => undefined).on('exit', () => onEnd(running))
  return running
}

function ask(worker: Worker, request: CodecRequest, limitMs: number): Promise<CodecAnswer> {
  const answer = next(worker, limitMs)
  worker.postMessage(request, [request.frame.buffer])
  return answer
}

/** The thread's next message, or how it was lost. */
function next(worker: EventEmitter, limitMs: number | undefined): Promise<CodecAnswer> {
  return new Promise((resolve, reject) => {
    const settle = (then: () => void): void => {
      clearTimeout(timer)
      for (const [event, listener] of listeners) worker.off(event, listener)
      then()
    }
    const end = (lost: ThreadLost): void => settle(() => reject(lost))
    const lose = (reason: string, cause?: unknown): void => end(new ThreadLost(reason, { cause }))
    const listeners: readonly (readonly [event: string, listener: (value: unknown) => void])[] = [
      ['message', (answer) => settle(() => resolve(answer as CodecAnswer))],
      ['messageerror', (error) => lose('the codec gave an answer that cannot be read', error)],
      ['error', (error) => lose('the codec crashed', error)],
      ['exit', (code) => lose(`the codec ended with code ${code}`)],
    ]
    // Where this thread was kept busy itself, the answer may be waiting already: it is taken before the timer counts.
    const timer = limitMs === undefined ? undefined : setTimeout(() => setImmediate(() => end(new CodecTimeout(limitMs))), limitMs)
    for (const [event, listener] of listeners) worker.on(event, listener)
  })
}
