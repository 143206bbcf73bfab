/** Spoilt conversations in, what a listening DIMSE receiver made of each out: it must outlive them, close what they leave, and answer an echo after each. */
import { connect, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { Problem } from '../../src/domain/problem.ts'
import { type DimseScp, openDimseScp } from '../../src/pacs/dimse-scp.ts'
import type { ReceivedInstance } from '../../src/pacs/dimse-scp-settings.ts'
import { readFileMeta } from '../../src/pacs/read-file-meta.ts'
import { isStorageClass } from '../../src/pacs/storage-classes.ts'
import { buildDimseSeeds, CALLED_AE_TITLE, CALLING_AE_TITLE, writeUnit } from './dimse-seeds.ts'
import type { FuzzOutcome, FuzzTarget } from './fuzz-target.ts'
import { buildDimseCase, type DimseCase } from './mutate-dimse.ts'
import { createCaseRandom } from './random.ts'
import { ABORTED, ACCEPTED, DATA, type DimseAnswer, REJECTED, RELEASED, readDimseAnswer } from './read-dimse-answer.ts'
import { send, watchTerminal, within } from './wire.ts'

/** The receiver's patience; short, so that those who fall silent are waited for. */
const IDLE_MS = 400
/** The receiver looks once a second for those who are silent. */
const CLOSED_WITHIN_MS = IDLE_MS + 2600
const MOST_SILENT = 32
const MOST_TURNS = 100
const MAX_OBJECT_BYTES = 64 * 1024
const C_STORE_RSP = 0x8001
const C_ECHO_RSP = 0x8030

interface Spoken {
  readonly bytes: Buffer
  /** Reset by the receiver: what was on its way is lost. */
  readonly wasReset: boolean
}

const CONVERSATIONS = buildDimseSeeds().map(({ pdus }) => pdus)
/** The first seed's bytes. */
const ECHO = CONVERSATIONS[0]!.map(writeUnit)

/** The case of a number: from the same seeds, the same always. */
export function buildDimseCaseOf(number: number): DimseCase {
  return buildDimseCase(CONVERSATIONS, createCaseRandom(number))
}

export async function openDimseTarget(): Promise<FuzzTarget> {
  const receiver = await FuzzedReceiver.open()
  const printed = watchTerminal()
  const run = async (number: number): Promise<FuzzOutcome> => {
    const outcome = await receiver.run(buildDimseCaseOf(number))
    const text = printed()
    return text === '' ? outcome : { kind: 'find', what: `printed ${JSON.stringify(text.slice(0, 200))}` }
  }
  return { run, close: () => receiver.close() }
}

/** The receiver and those connections to it that are left open. */
export class FuzzedReceiver {
  readonly #scp: DimseScp
  readonly #accepting: Accepting
  #silent: { readonly closed: Promise<Spoken>; readonly socket: Socket }[] = []

  private constructor(scp: DimseScp, accepting: Accepting) {
    this.#scp = scp
    this.#accepting = accepting
  }

  static async open(): Promise<FuzzedReceiver> {
    const accepting = new Accepting()
    const scp = await openDimseScp({
      host: '127.0.0.1',
      port: 0,
      aeTitle: CALLED_AE_TITLE,
      peers: [{ aeTitle: CALLING_AE_TITLE, addresses: ['127.0.0.1'] }],
      tls: null,
      maxAssociations: 2 * MOST_SILENT,
      maxObjectBytes: MAX_OBJECT_BYTES,
      idleTimeoutMs: IDLE_MS,
      accept: (instance) => accepting.accept(instance),
    })
    return new FuzzedReceiver(scp, accepting)
  }

  async run(dimse: DimseCase): Promise<FuzzOutcome> {
    this.#accepting.begin(dimse.accept)
    try {
      const spoken = await this.#converse(dimse)
      const outcome = spoken === null ? ({ kind: 'refused', code: 'left open' } as const) : this.#judge(spoken)
      await this.#checkEcho()
      return outcome
    } catch (error) {
      return { kind: 'find', what: String((error as Error).stack ?? error) }
    }
  }

  async close(): Promise<string | null> {
    try {
      await this.#awaitSilent()
      // our end of the last one is closed a moment before its other end
      for (let left = MOST_TURNS; left > 0 && this.#scp.associations() > 0; left--) await turn()
      const left = this.#scp.associations()
      return left === 0 ? null : `${left} associations left open`
    } catch (error) {
      return String(error)
    } finally {
      await this.#scp.close(0)
    }
  }

  /** What the receiver said until it closed; null where the connection was left open. */
  async #converse({ pdus, pieceBytes, turns, ending }: DimseCase): Promise<Spoken | null> {
    const socket = connect({ port: this.#scp.port, host: '127.0.0.1', noDelay: true })
    const closed = collect(socket)
    await send(socket, pdus, pieceBytes, turns)
    if (ending === 'silent') {
      this.#silent.push({ closed, socket })
      if (this.#silent.length === MOST_SILENT) await this.#awaitSilent()
      return null
    }
    if (ending === 'reset') socket.resetAndDestroy()
    else socket.end()
    return within(closed, CLOSED_WITHIN_MS, 'the connection is open after its peer has closed')
  }

  async #awaitSilent(): Promise<void> {
    const silent = this.#silent
    this.#silent = []
    try {
      await within(Promise.all(silent.map(({ closed }) => closed)), CLOSED_WITHIN_MS, 'a silent connection is kept')
    } finally {
      for (const { socket } of silent) socket.destroy()
    }
  }

  #judge({ bytes, wasReset }: Spoken): FuzzOutcome {
    const answer = readDimseAnswer(bytes)
    if (!answer.isWhole && !wasReset) throw new Error('the last PDU is cut off')
    const stored = answer.responses.filter(({ commandField, status }) => commandField === C_STORE_RSP && status === 0).length
    if (stored > this.#accepting.accepted) throw new Error(`${stored} instances acknowledged and ${this.#accepting.accepted} accepted`)
    this.#accepting.check()
    return outcomeOf(answer)
  }

  /** A peer that does everything right is served as before. */
  async #checkEcho(): Promise<void> {
    const socket = connect({ port: this.#scp.port, host: '127.0.0.1', noDelay: true })
    const closed = collect(socket)
    for (const pdu of ECHO) socket.write(pdu)
    const { bytes } = await within(closed, CLOSED_WITHIN_MS, 'an echo is not answered')
    const { pduTypes, responses } = readDimseAnswer(bytes)
    const isAnswered = pduTypes.join() === [ACCEPTED, DATA, RELEASED].join() && responses[0]?.commandField === C_ECHO_RSP && responses[0].status === 0
    if (!isAnswered) throw new Error(`an echo is answered by PDUs ${pduTypes.join()} and status ${responses[0]?.status}`)
  }
}

/** The queue's part: takes instances, or does not, and holds the receiver to what it hands on. */
class Accepting {
  accepted = 0
  #manner: DimseCase['accept'] = 'at once'
  #instances: ReceivedInstance[] = []

  begin(manner: DimseCase['accept']): void {
    this.#manner = manner
    this.accepted = 0
    this.#instances = []
  }

  async accept(instance: ReceivedInstance): Promise<void> {
    this.#instances.push(instance)
    const manner = this.#manner
    if (manner === 'later') for (let left = 5; left > 0; left--) await turn()
    if (manner === 'full') throw new Problem('overloaded', 'the queue is full', { retryAfterSeconds: 1 })
    if (manner === 'broken') throw new Error('the disk is broken')
    this.accepted++
  }

  /** Throws where an instance is none that may be handed on. */
  check(): void {
    for (const { bytes, callingAeTitle } of this.#instances) {
      const { sopClassUid, sopInstanceUid, datasetOffset } = readFileMeta(bytes)
      if (callingAeTitle !== CALLING_AE_TITLE) throw new Error('an instance of a peer that is not known')
      if (!isStorageClass(sopClassUid)) throw new Error('an instance that is no image')
      if (sopInstanceUid.length > 64) throw new Error('a UID of more than 64 characters')
      if (bytes.length - datasetOffset > MAX_OBJECT_BYTES) throw new Error(`an instance of ${bytes.length} bytes`)
    }
  }
}

function outcomeOf({ pduTypes, responses }: DimseAnswer): FuzzOutcome {
  if (responses.some(({ status }) => status === 0)) return { kind: 'taken' }
  const failed = responses.find(({ status }) => status !== 0)
  if (failed !== undefined) return { kind: 'refused', code: `status ${failed.status?.toString(16).padStart(4, '0')}` }
  if (pduTypes.includes(REJECTED)) return { kind: 'refused', code: 'association rejected' }
  if (pduTypes.includes(ABORTED)) return { kind: 'refused', code: 'aborted' }
  return { kind: 'refused', code: pduTypes.includes(ACCEPTED) ? 'closed within the association' : 'closed before an association' }
}

/** All that comes until the connection is closed. Never rejects. */
function collect(socket: Socket): Promise<Spoken> {
  const chunks: Buffer[] = []
  let wasReset = false
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => {
    wasReset = true
  })
  return new Promise((resolve) => socket.once('close', () => resolve({ bytes: Buffer.concat(chunks), wasReset: wasReset || socket.errored !== null })))
}
