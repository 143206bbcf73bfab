/**
 * A worklist in, its workitems done out: the performer of IHE AI Workflow for Imaging. Claim with a transaction UID, fetch the inputs,
 * hand them on, report progress, complete with references to what was made.
 */
import type { Log } from '../domain/log.ts'
import { Problem, toProblemData } from '../domain/problem.ts'
import type { DicomwebPeer } from './peers.ts'
import { cancelWorkitem, claimWorkitem, completeWorkitem, findWorkitems, isOurs, type OutputReference, type Performed, reportProgress, type Workitem } from './ups-client.ts'

export interface UpsSettings {
  readonly peer: DicomwebPeer
  readonly worklistLabel: string
  readonly stationName: string
  readonly pollMs: number
  /** Derived from the workitem and this installation's own secret, so that a process that died over it can prove that it is still its own, and no other can. */
  readonly transactionUidOf: (workitemUid: string) => string
  /**
   * Brings the inputs through to stored results. Calls `progress` with 0 to 100.
   * Throws where the work can't be done: the workitem is then canceled with the Problem's sentence; "pacs-unreachable" leaves it for the next look.
   */
  readonly perform: (item: Workitem, progress: (percent: number) => Promise<void>, signal: AbortSignal) => Promise<readonly OutputReference[]>
  readonly now: () => Date
  readonly log: Log
}

export interface UpsWorker {
  stop(): Promise<void>
}

const BATCH = 10
/** More than one process can leave behind: it has one workitem at a time. */
const MAX_ADOPTED = 1000

/** Works until stopped, one workitem at a time: what it does is queued and bounded elsewhere. */
export function startUpsWorker(settings: UpsSettings): UpsWorker {
  const controller = new AbortController()
  const { signal } = controller
  const unfinished = new Set<Workitem>()
  let isAdopted = false
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      isAdopted ||= await adopt(settings, unfinished, signal)
      if (isAdopted) await look(settings, unfinished, signal)
      if (!signal.aborted) await pause(settings.pollMs, signal)
    }
  }
  const looping = loop()
  return {
    async stop() {
      controller.abort()
      await looping
    },
  }
}

/** Takes up what an earlier process of ours had claimed and died over; whether the worklist could be asked. */
async function adopt({ peer, worklistLabel, transactionUidOf, log }: UpsSettings, unfinished: Set<Workitem>, signal: AbortSignal): Promise<boolean> {
  try {
    for (const item of await findWorkitems(peer, worklistLabel, 'IN PROGRESS', MAX_ADOPTED, signal)) {
      if (await isOurs(peer, item.uid, transactionUidOf(item.uid), signal)) unfinished.add(item)
    }
    return true
  } catch (error) {
    if (!signal.aborted) log.warn({ code: toProblemData(error).code }, 'the worklist cannot be asked')
    return false
  }
}

async function look(settings: UpsSettings, unfinished: Set<Workitem>, signal: AbortSignal): Promise<void> {
  try {
    const found = await findWorkitems(settings.peer, settings.worklistLabel, 'SCHEDULED', BATCH, signal)
    for (const item of [...unfinished, ...found]) {
      if (signal.aborted) return
      if (unfinished.has(item) || (await claimWorkitem(settings.peer, item.uid, settings.transactionUidOf(item.uid), signal))) await work(settings, unfinished, item, signal)
    }
  } catch (error) {
    if (!signal.aborted) settings.log.warn({ code: toProblemData(error).code }, 'the worklist cannot be worked on')
  }
}

/** A claimed workitem stays in the list of the unfinished until the worklist has taken note of its end. */
async function work(settings: UpsSettings, unfinished: Set<Workitem>, item: Workitem, signal: AbortSignal): Promise<void> {
  unfinished.add(item)
  const { peer, stationName, now, transactionUidOf, perform } = settings
  const transactionUid = transactionUidOf(item.uid)
  const startedAt = now()
  const performed = (outputs: readonly OutputReference[]): Performed => ({ stationName, startedAt, endedAt: now(), outputs })
  try {
    if (item.inputs.length === 0) throw new Problem('parameter-invalid', 'the workitem names no input', { parameter: 'InputInformationSequence' })
    const outputs = await perform(item, (percent) => reportProgress(peer, item.uid, transactionUid, percent, signal), signal)
    await completeWorkitem(peer, item.uid, transactionUid, performed(outputs), signal)
  } catch (error) {
    const { code, detail } = toProblemData(error)
    if (signal.aborted || code === 'pacs-unreachable') throw error
    settings.log.warn({ code }, 'a workitem could not be done')
    // Refused by the worklist itself: it is no longer ours, and nothing is left to tell it.
    if (code !== 'pacs-refused') await cancelWorkitem(peer, item.uid, transactionUid, performed([]), detail, signal)
  }
  unfinished.delete(item)
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
