/** Spoilt multipart requests in, what the listening server made of each out: it must answer as it promises or close, acknowledge what it took, leave nothing behind, and serve the next. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { RequestListener, Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import type { GatewayDoor } from '../../src/domain/gateway.ts'
import type { Engines } from '../../src/domain/prediction.ts'
import { Problem } from '../../src/domain/problem.ts'
import { createApp } from '../../src/http/create-app.ts'
import { createHttpServer, SERVER_LIMITS } from '../../src/http/create-server.ts'
import { readFileMeta } from '../../src/pacs/read-file-meta.ts'
import { receiveStow } from '../../src/pacs/receive-stow.ts'
import { openPredictionFolder, type PredictionFolder } from '../../src/store/prediction-store.ts'
import { createFakeEngines, noExplanations } from '../http/support/fake-engines.ts'
import { FakeJobs } from '../http/support/fake-gateway.ts'
import { type Answer, checkAnswer } from '../http/support/open-test-server.ts'
import { sampleModels } from '../http/support/sample-prediction.ts'
import type { FuzzOutcome, FuzzTarget } from './fuzz-target.ts'
import { buildMultipartSeeds, CANARY, writeMessage } from './multipart-seeds.ts'
import { buildMultipartCase, type MultipartCase } from './mutate-multipart.ts'
import { createCaseRandom } from './random.ts'
import { type HttpAnswer, readHttpAnswers } from './read-http-answer.ts'
import { send, watchTerminal, within } from './wire.ts'

/** The server's patience with a request; short, so that those who fall silent are waited for. */
const REQUEST_MS = 2000
const CLOSED_WITHIN_MS = 10_000
/** What is not closed by then is looked at later, and the next case begins. */
const PARKED_AFTER_MS = 100
const MOST_PARKED = 24
const MAX_BODY_BYTES = 64 * 1024
const MAX_PARTS = 16
/** What the parked may hold, and little beside: bytes that are not given back are soon missed. */
const MAX_BUFFERED_BYTES = (MOST_PARKED + 8) * MAX_BODY_BYTES
/** What HTTP itself refuses amid a body: no answer to what the body holds. */
const REFUSED_BY_HTTP = /^(this is no HTTP request|the head of the request is too large|the request did not arrive in time)$/

const MESSAGES = buildMultipartSeeds().map(({ message }) => message)
const openApiText = readFileSync(resolve(import.meta.dirname, '../../openapi.yaml'), 'utf8')
/** By name, as they are. */
const HEALTHY = ['store', 'form with a PNG'].map((name) => writeMessage(buildMultipartSeeds().find((seed) => seed.name === name)!.message))

/** The case of a number: from the same seeds, the same always. */
export function buildMultipartCaseOf(number: number): MultipartCase {
  return buildMultipartCase(MESSAGES, createCaseRandom(number))
}

export async function openMultipartTarget(): Promise<FuzzTarget> {
  const doors = await FuzzedDoors.open()
  const printed = watchTerminal()
  const run = async (number: number): Promise<FuzzOutcome> => {
    const outcome = await doors.run(buildMultipartCaseOf(number), `case ${number}`)
    const text = printed()
    return text === '' ? outcome : { kind: 'find', what: `printed ${JSON.stringify(text.slice(0, 200))}` }
  }
  return { run, close: () => doors.close() }
}

/** One connection: what was said on it, and what the server handed on because of it. */
interface Conversation {
  readonly name: string
  readonly accept: MultipartCase['accept']
  readonly ending: MultipartCase['ending']
  readonly target: string
  readonly method: string
  readonly chunks: Buffer[]
  /** SOP Instance UIDs in the order that they were taken in. */
  readonly accepted: string[]
  predicted: number
  kept: number
  /** The server has had the body's end. */
  isComplete: boolean
  /** Our end was broken off by the server: what was on its way is lost. */
  wasReset: boolean
}

/** The server's end of a connection. */
interface Wire {
  readonly opened: Happening
  readonly closed: Happening
}

/** What is waited for, and told from elsewhere. */
interface Happening {
  readonly promise: Promise<void>
  readonly tell: () => void
}

function happening(): Happening {
  let tell: () => void = () => undefined
  const promise = new Promise<void>((resolve) => {
    tell = resolve
  })
  return { promise, tell }
}

/** The whole app with fake engines and a queue in memory, listening on loopback. */
export class FuzzedDoors {
  readonly #folder: string
  readonly #tmpdir: string | undefined
  readonly #server: Server
  /** By the port of the client. */
  readonly #conversations: Map<number, Conversation>
  readonly #wires = new Map<number, Wire>()
  readonly #log: Log
  readonly #parkedAfterMs: number
  #parked: { readonly done: Promise<void>; readonly socket: Socket }[] = []
  #finds: string[] = []
  #count = 0

  private constructor(folder: string, tmpdir: string | undefined, server: Server, log: Log, conversations: Map<number, Conversation>, parkedAfterMs: number) {
    this.#folder = folder
    this.#tmpdir = tmpdir
    this.#server = server
    this.#log = log
    this.#parkedAfterMs = parkedAfterMs
    this.#conversations = conversations
    server.on('connection', (socket) => {
      const wire = this.#wireOf(socket.remotePort ?? 0)
      wire.opened.tell()
      socket.once('close', () => wire.closed.tell())
    })
  }

  static async open(parkedAfterMs = PARKED_AFTER_MS): Promise<FuzzedDoors> {
    const folder = mkdtempSync(join(tmpdir(), 'attending-fuzz-'))
    const before = process.env['TMPDIR']
    // whatever is written to the folder for temporary files is seen, and nothing else is
    process.env['TMPDIR'] = join(folder, 'tmp')
    mkdirSync(join(folder, 'tmp'))
    const store = await openPredictionFolder({ folder: join(folder, 'data'), retentionMs: 3_600_000, maxBytes: 2_000_000, now: () => new Date() })
    const log = new Log()
    const current = new AsyncLocalStorage<Conversation>()
    const conversations = new Map<number, Conversation>()
    const newId = (): string => randomBytes(16).toString('hex')
    const app = createApp({
      engines: enginesFor(current),
      store: countingStore(store, current),
      explanations: noExplanations,
      models: sampleModels,
      log,
      now: () => new Date(),
      newId,
      resultEnvironment: (createdAt) => ({ createdAt, utcOffsetMinutes: 0, deviceSerialNumber: 'fuzz' }),
      gateway: gatewayFor(current),
      stopping: new AbortController().signal,
      openApiText,
      maxBodyBytes: MAX_BODY_BYTES,
      maxBufferedBytes: MAX_BUFFERED_BYTES,
      hasProcessMetrics: false,
    })
    const limits = { ...SERVER_LIMITS, headersTimeoutMs: REQUEST_MS, requestTimeoutMs: REQUEST_MS, keepAliveTimeoutMs: 200, checkIntervalMs: 200 }
    const listener: RequestListener = (request, response) => {
      const conversation = conversations.get(request.socket.remotePort ?? 0)!
      request.once('end', () => {
        conversation.isComplete = true
      })
      current.run(conversation, () => void app(request, response))
    }
    const server = createHttpServer(listener, limits, newId)
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    return new FuzzedDoors(folder, before, server, log, conversations, parkedAfterMs)
  }

  /** What became of the case; where its connection is left open, a later case or the end tells of it by its name. */
  async run(fuzzed: MultipartCase, name = 'a case'): Promise<FuzzOutcome> {
    try {
      const outcome = await this.#converse(fuzzed, name)
      await this.#checkHealthy()
      this.#checkLeftovers()
      if (this.#parked.length >= MOST_PARKED) await this.#awaitParked()
      const find = this.#finds.shift()
      return find === undefined ? outcome : { kind: 'find', what: find }
    } catch (error) {
      return { kind: 'find', what: String((error as Error).stack ?? error) }
    }
  }

  async close(): Promise<string | null> {
    try {
      await this.#awaitParked()
      const left = await new Promise<number>((done, reject) => this.#server.getConnections((error, count) => (error === null ? done(count) : reject(error))))
      if (left > 0) this.#finds.push(`${left} connections left open`)
      return this.#finds.length === 0 ? null : this.#finds.join('; ')
    } catch (error) {
      return String(error)
    } finally {
      this.#server.closeAllConnections()
      await new Promise((done) => this.#server.close(done))
      if (this.#tmpdir === undefined) delete process.env['TMPDIR']
      else process.env['TMPDIR'] = this.#tmpdir
      await rm(this.#folder, { recursive: true })
    }
  }

  async #converse(fuzzed: MultipartCase, name: string): Promise<FuzzOutcome> {
    const { socket, conversation, done } = await this.#open(fuzzed, name)
    await send(socket, [fuzzed.bytes], fuzzed.pieceBytes, fuzzed.turns)
    if (fuzzed.ending === 'reset') socket.resetAndDestroy()
    if (fuzzed.ending === 'end') socket.end()
    const judged = done.then(() => judge(conversation))
    const parked = Symbol('parked')
    const outcome = await Promise.race([judged, new Promise<typeof parked>((later) => setTimeout(later, this.#parkedAfterMs, parked))])
    if (outcome !== parked) return outcome
    const asFind = (error: unknown): void => void this.#finds.push(`${name}, left open: ${String((error as Error).stack ?? error)}`)
    this.#parked.push({ done: judged.then(() => undefined, asFind), socket })
    return { kind: 'refused', code: 'left open' }
  }

  /** A connection, and a promise of its end at both sides. */
  async #open({ bytes, ending, accept }: MultipartCase, name: string): Promise<{ socket: Socket; conversation: Conversation; done: Promise<void> }> {
    const socket = connect({ port: (this.#server.address() as AddressInfo).port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    const [method = '', target = ''] = Buffer.from(bytes.buffer, bytes.byteOffset, 100).toString('latin1').split(' ')
    const conversation: Conversation = { name, accept, ending, method, target, chunks: [], accepted: [], predicted: 0, kept: 0, isComplete: false, wasReset: false }
    const heard = this.#listen(socket, conversation)
    await within(new Promise((connected) => socket.once('connect', connected)), CLOSED_WITHIN_MS, 'no connection is had')
    const port = socket.localPort ?? 0
    this.#conversations.set(port, conversation)
    const wire = this.#wireOf(port)
    await within(wire.opened.promise, CLOSED_WITHIN_MS, 'no connection is taken')
    const done = Promise.all([heard, wire.closed.promise]).then(() => {
      socket.destroy()
      this.#conversations.delete(port)
      this.#wires.delete(port)
    })
    return { socket, conversation, done }
  }

  /** Collects what comes, and closes our end as the case has it. */
  #listen(socket: Socket, conversation: Conversation): Promise<void> {
    socket.on('data', (chunk) => {
      conversation.chunks.push(chunk)
      if (conversation.ending === 'wait' && isAnsweredForGood(conversation)) socket.end()
    })
    return new Promise((heard) => {
      socket.on('error', () => {
        conversation.wasReset = true
        heard()
      })
      socket.once('close', () => heard())
      socket.once('end', () => {
        if (conversation.ending !== 'stay') socket.end()
        heard()
      })
    })
  }

  #wireOf(port: number): Wire {
    const wire = this.#wires.get(port) ?? { opened: happening(), closed: happening() }
    this.#wires.set(port, wire)
    return wire
  }

  async #awaitParked(): Promise<void> {
    const parked = this.#parked
    this.#parked = []
    try {
      await within(Promise.all(parked.map(({ done }) => done)), CLOSED_WITHIN_MS, 'a connection is kept')
    } finally {
      for (const { socket } of parked) socket.destroy()
    }
  }

  /** A client that does everything right is served as before. */
  async #checkHealthy(): Promise<void> {
    const bytes = HEALTHY[this.#count++ % HEALTHY.length]!
    const { socket, conversation, done } = await this.#open({ bytes, pieceBytes: [], turns: 0, ending: 'wait', accept: 'at once' }, 'a healthy request')
    socket.write(bytes)
    await within(done, CLOSED_WITHIN_MS, 'a healthy request is not answered')
    const outcome = judge(conversation)
    if (outcome.kind !== 'taken') throw new Error(`a healthy request is refused: ${JSON.stringify(outcome)}`)
  }

  /** Nothing in temporary folders, and nothing in the log that a caller named. */
  #checkLeftovers(): void {
    const files = readdirSync(join(this.#folder, 'tmp'))
    if (files.length > 0) throw new Error(`${files.length} temporary files are left`)
    this.#log.check()
  }
}

/** Lines of the log since they were last looked at. */
class Log {
  #lines: string[] = []

  info = (fields: object, message: string): void => void this.#lines.push(JSON.stringify({ ...fields, message }))
  warn = (fields: object, message: string): void => this.info({ ...fields, level: 'warn' }, message)
  error = (fields: object, message: string): void => this.info({ ...fields, level: 'error' }, message)

  check(): void {
    const named = this.#lines.filter((line) => line.includes(CANARY))
    this.#lines = []
    if (named.length > 0) throw new Error(`the log repeats what a caller named: ${named[0]}`)
  }
}

/** Waits, or fails, as the case has it. */
async function meet(accept: MultipartCase['accept']): Promise<void> {
  if (accept === 'later') for (let left = 5; left > 0; left--) await turn()
  if (accept === 'full') throw new Problem('overloaded', 'the queue is full', { retryAfterSeconds: 1 })
  if (accept === 'broken') throw new Error(`${CANARY} is broken`)
}

function gatewayFor(current: AsyncLocalStorage<Conversation>): GatewayDoor {
  const accept = async (bytes: Uint8Array): Promise<void> => {
    const conversation = current.getStore()!
    await meet(conversation.accept)
    conversation.accepted.push(readFileMeta(bytes).sopInstanceUid)
  }
  return {
    jobs: new FakeJobs(),
    archives: [],
    maxQueued: 3,
    maxObjectBytes: MAX_BODY_BYTES,
    receiveStow: (request) => receiveStow(request, accept, { maxPartBytes: MAX_BODY_BYTES, maxParts: MAX_PARTS }),
  }
}

function enginesFor(current: AsyncLocalStorage<Conversation>): Engines {
  const engines = createFakeEngines()
  return {
    ...engines,
    predict: async (request, signal) => {
      const conversation = current.getStore()!
      await meet(conversation.accept)
      conversation.predicted++
      engines.predictions.length = 0
      return engines.predict(request, signal)
    },
  }
}

function countingStore(store: PredictionFolder, current: AsyncLocalStorage<Conversation>): PredictionFolder {
  return {
    keep: async (kept) => {
      await store.keep(kept)
      current.getStore()!.kept++
    },
    findAnswer: (id) => store.findAnswer(id),
    findArtifacts: (id) => store.findArtifacts(id),
    findOrigin: (id) => store.findOrigin(id),
    sweep: () => store.sweep(),
  }
}

/** Whole answers, the last of which does not say that the server closes. */
function isAnsweredForGood({ chunks }: Conversation): boolean {
  try {
    const { answers, isWhole } = readHttpAnswers(Buffer.concat(chunks))
    return isWhole && answers.length > 0 && answers.at(-1)?.headers['connection'] !== 'close'
  } catch {
    return false
  }
}

/** Throws where the server broke a promise. */
function judge(conversation: Conversation): FuzzOutcome {
  const { chunks, wasReset, ending, method, target } = conversation
  const bytes = Buffer.concat(chunks)
  if (bytes.includes(CANARY)) throw new Error('an answer repeats what a caller named')
  const { answers, isWhole } = readHttpAnswers(bytes)
  const isAnswerDue = ending !== 'end' && ending !== 'reset'
  if (!isWhole && isAnswerDue) throw new Error('the last answer is cut off')
  const [first, ...others] = answers
  for (const other of others) checkOther(other)
  if (first === undefined) {
    if (isAnswerDue) checkNothingTaken(conversation, 'without an answer')
    return { kind: 'refused', code: !isAnswerDue ? 'broken off' : wasReset ? 'reset without an answer' : 'closed without an answer' }
  }
  const answer = toAnswer(first)
  checkAnswer(target, method === 'POST' ? 'POST' : method, answer)
  checkFailure(conversation, answer)
  if (isAnswerDue && (conversation.isComplete || !isRefusedByHttp(answer))) checkAccount(conversation, answer)
  if (answer.status === 200) return { kind: 'taken' }
  return { kind: 'refused', code: answer.json?.code ?? `status ${answer.status}` }
}

function toAnswer({ status, headers, body }: HttpAnswer): Answer {
  const text = body.toString('utf8')
  const isJson = /json/.test(headers['content-type'] ?? '')
  return { status, headers: new Headers(headers), text, bytes: body, json: isJson && text !== '' ? JSON.parse(text) : null }
}

/** To what follows the request on its connection: a request of its own, or none. */
function checkOther(other: HttpAnswer): void {
  if (other.status >= 500) throw new Error(`what follows is answered ${other.status}`)
  if (other.status >= 400 && other.headers['content-type'] !== 'application/problem+json' && !other.headers['content-type']?.startsWith('application/dicom+json')) {
    throw new Error(`what follows is answered ${other.status} without a problem`)
  }
}

const isRefusedByHttp = ({ json }: Answer): boolean => REFUSED_BY_HTTP.test(json?.detail ?? '')

/** Only what truly failed here may be told as ours. */
function checkFailure({ accept, accepted, predicted }: Conversation, { status }: Answer): void {
  if (status >= 500 && accept !== 'broken') throw new Error(`answered ${status}`)
  if (status === 429 && accept !== 'full') throw new Error('answered 429 where there is room')
  if (accept === 'broken' && accepted.length + predicted > 0) throw new Error('something is taken by what is broken')
}

/** What was acknowledged is what was taken. */
function checkAccount(conversation: Conversation, { status, json }: Answer): void {
  const { accepted, kept, predicted } = conversation
  const isStore = status === 200 || status === 202 ? json['00081199'] !== undefined : false
  const acknowledged: string[] = isStore ? json['00081199'].Value.map((item: Record<string, { Value: string[] }>) => item['00081155']?.Value[0]) : []
  if (acknowledged.join() !== accepted.join()) throw new Error(`${status} ${json?.code} acknowledges ${acknowledged.length} instances, ${accepted.length} are taken`)
  if (kept > 0 && (status !== 200 || kept !== 1)) throw new Error(`${status} where ${kept} predictions are kept`)
  if (predicted > 1 || (predicted === 1 && status !== 200)) throw new Error(`${status} where ${predicted} images are predicted`)
}

function checkNothingTaken({ accepted, kept }: Conversation, how: string): void {
  if (accepted.length + kept > 0) throw new Error(`${accepted.length + kept} taken ${how}`)
}
