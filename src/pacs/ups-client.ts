/** A UPS-RS origin server in, its workitems searched, claimed, moved forward and ended out (PS3.18 section 11, PS3.4 annex CC). */
import { createHash } from 'node:crypto'
import { buildUid } from '../dicom/build-uid.ts'
import { Problem } from '../domain/problem.ts'
import { type DicomJson, itemsOf, parseDicomJson, stringOf } from './dicom-json.ts'
import { isUid } from './is-uid.ts'
import type { DicomwebPeer, RetrieveKey } from './peers.ts'
import { type PeerAnswer, readBody, requestPeer, statusProblem } from './request-peer.ts'

const MAX_ANSWER_BYTES = 4 * 1024 * 1024

/** A workitem that is waiting to be done. */
export interface Workitem {
  readonly uid: string
  readonly inputs: readonly RetrieveKey[]
}

export interface OutputReference {
  readonly studyInstanceUid: string
  readonly seriesInstanceUid: string
  readonly sopClassUid: string
  readonly sopInstanceUid: string
}

/**
 * Workitems of a label of the worklist that are in the given state.
 *
 * Throws: "pacs-unreachable", "pacs-refused".
 */
export async function findWorkitems(
  peer: DicomwebPeer,
  worklistLabel: string,
  state: 'SCHEDULED' | 'IN PROGRESS',
  limit: number,
  signal?: AbortSignal,
): Promise<readonly Workitem[]> {
  const query = { ProcedureStepState: state, WorklistLabel: worklistLabel, includefield: '00404021', limit: String(limit) }
  const answer = await requestPeer(peer, { method: 'GET', path: ['workitems'], query, headers: { Accept: 'application/dicom+json' } }, signal)
  const body = await readBody(answer, MAX_ANSWER_BYTES)
  if (answer.status === 204) return []
  if (answer.status !== 200) throw statusProblem(answer.status, 'list its workitems')
  return parseDicomJson(body).flatMap(toWorkitem)
}

/** An item whose UID is none could not be claimed: it is left out. */
function toWorkitem(dataset: DicomJson): Workitem[] {
  const uid = stringOf(dataset, '00080018')
  if (uid === null || !isUid(uid)) return []
  return [{ uid, inputs: itemsOf(dataset, '00404021').flatMap(toInputs) }]
}

/** One input of Input Information Sequence: a series, or single instances of it. */
function toInputs(item: DicomJson): RetrieveKey[] {
  const [studyInstanceUid, seriesInstanceUid] = [stringOf(item, '0020000D'), stringOf(item, '0020000E')]
  if (studyInstanceUid === null) return []
  const instances = itemsOf(item, '00081199').flatMap((reference) => stringOf(reference, '00081155') ?? [])
  if (instances.length === 0 || seriesInstanceUid === null) return [{ studyInstanceUid, seriesInstanceUid, sopInstanceUid: null }]
  return instances.map((sopInstanceUid) => ({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }))
}

/** The UID that a workitem is claimed with: the same for the same secret, and not to be guessed without it. */
export function transactionUid(secret: string, worklist: string, workitemUid: string): string {
  return buildUid(
    'attending',
    'transaction',
    createHash('sha256')
      .update(JSON.stringify([secret, worklist, workitemUid]))
      .digest('hex'),
  )
}

/** Whether the workitem is ours now: another performer may have been first. Throws "pacs-unreachable", "pacs-refused". */
export async function claimWorkitem(peer: DicomwebPeer, uid: string, transactionUid: string, signal?: AbortSignal): Promise<boolean> {
  const answer = await changeState(peer, uid, transactionUid, 'IN PROGRESS', signal)
  if (answer.status === 409) return false
  expectDone(answer, 'let a workitem be claimed')
  return true
}

/** Whether a workitem in progress was claimed with this transaction UID, told by an update that changes nothing else. Throws "pacs-unreachable". */
export async function isOurs(peer: DicomwebPeer, uid: string, transactionUid: string, signal?: AbortSignal): Promise<boolean> {
  try {
    await reportProgress(peer, uid, transactionUid, 0, signal)
    return true
  } catch (error) {
    if (error instanceof Problem && error.code === 'pacs-refused') return false
    throw error
  }
}

/** 0 to 100. Throws "pacs-unreachable", "pacs-refused". */
export async function reportProgress(peer: DicomwebPeer, uid: string, transactionUid: string, percent: number, signal?: AbortSignal): Promise<void> {
  const progress = { '00741002': sequence([{ '00741004': { vr: 'DS', Value: [Math.round(percent)] } }]) }
  await update(peer, uid, transactionUid, progress, signal)
}

/** What PS3.4 table CC.2.5-3 asks of a performed procedure before its final state. */
export interface Performed {
  readonly stationName: string
  readonly startedAt: Date
  readonly endedAt: Date
  readonly outputs: readonly OutputReference[]
}

/** Records what was made, then ends the workitem. Throws "pacs-unreachable", "pacs-refused". */
export async function completeWorkitem(peer: DicomwebPeer, uid: string, transactionUid: string, performed: Performed, signal?: AbortSignal): Promise<void> {
  await update(peer, uid, transactionUid, { '00741216': sequence([performedItem(performed)]) }, signal)
  expectDone(await changeState(peer, uid, transactionUid, 'COMPLETED', signal), 'let a workitem be completed')
}

/** Ends the workitem as not done, with the reason's text. Throws "pacs-unreachable", "pacs-refused". */
export async function cancelWorkitem(peer: DicomwebPeer, uid: string, transactionUid: string, performed: Performed, reason: string, signal?: AbortSignal): Promise<void> {
  const progress = { '00741002': sequence([{ '00741238': { vr: 'LT', Value: [reason.slice(0, 1024)] } }]) }
  await update(peer, uid, transactionUid, { ...progress, '00741216': sequence([performedItem(performed)]) }, signal)
  expectDone(await changeState(peer, uid, transactionUid, 'CANCELED', signal), 'let a workitem be canceled')
}

function performedItem({ stationName, startedAt, endedAt, outputs }: Performed): object {
  return {
    '00404028': sequence([code('ATTENDING', '99ATTENDING', stationName)]),
    '00404050': { vr: 'DT', Value: [toDateTime(startedAt)] },
    '00404051': { vr: 'DT', Value: [toDateTime(endedAt)] },
    '00404019': sequence([code('110005', 'DCM', 'Interpretation')]),
    '00404033': sequence(outputsBySeries(outputs)),
  }
}

function outputsBySeries(outputs: readonly OutputReference[]): object[] {
  const seriesUids = [...new Set(outputs.map(({ seriesInstanceUid }) => seriesInstanceUid))]
  return seriesUids.map((uid) => {
    const instances = outputs.filter(({ seriesInstanceUid }) => seriesInstanceUid === uid)
    return {
      '0020000D': { vr: 'UI', Value: [instances[0]?.studyInstanceUid] },
      '0020000E': { vr: 'UI', Value: [uid] },
      '0040E020': { vr: 'CS', Value: ['DICOM'] },
      '00081199': sequence(
        instances.map(({ sopClassUid, sopInstanceUid }) => ({ '00081150': { vr: 'UI', Value: [sopClassUid] }, '00081155': { vr: 'UI', Value: [sopInstanceUid] } })),
      ),
    }
  })
}

function changeState(peer: DicomwebPeer, uid: string, transactionUid: string, state: 'IN PROGRESS' | 'COMPLETED' | 'CANCELED', signal?: AbortSignal): Promise<PeerAnswer> {
  const path = ['workitems', uid, 'state', ...(peer.requester === undefined ? [] : [peer.requester])]
  return send(peer, 'PUT', path, { '00081195': { vr: 'UI', Value: [transactionUid] }, '00741000': { vr: 'CS', Value: [state] } }, {}, signal)
}

async function update(peer: DicomwebPeer, uid: string, transactionUid: string, dataset: object, signal?: AbortSignal): Promise<void> {
  // The transaction UID proves that the workitem is ours: by name in the query, and in the dataset as for N-SET (PS3.4 section CC.2.6).
  const own = { '00081195': { vr: 'UI', Value: [transactionUid] } }
  expectDone(await send(peer, 'POST', ['workitems', uid], { ...own, ...dataset }, { transaction: transactionUid }, signal), 'let a workitem be updated')
}

async function send(
  peer: DicomwebPeer,
  method: 'POST' | 'PUT',
  path: readonly string[],
  dataset: object,
  query: Record<string, string>,
  signal?: AbortSignal,
): Promise<PeerAnswer> {
  const answer = await requestPeer(
    peer,
    {
      method,
      path,
      query,
      headers: { 'Content-Type': 'application/dicom+json', Accept: 'application/dicom+json' },
      body: Buffer.from(JSON.stringify(peer.requester === undefined ? [dataset] : dataset)),
    },
    signal,
  )
  await readBody(answer, MAX_ANSWER_BYTES)
  return answer
}

/** 409 tells that the workitem is no longer what we take it for: somebody ended it, or it was never ours. */
function expectDone({ status }: PeerAnswer, doing: string): void {
  if (status === 409) throw new Problem('pacs-refused', `the worklist would not ${doing}: it is in another state (HTTP 409)`, {})
  if (status < 200 || status >= 300) throw statusProblem(status, doing)
}

/** DT with its offset, in UTC (PS3.5 section 6.2). */
function toDateTime(date: Date): string {
  return `${date.toISOString().replace(/[-:T]/g, '').slice(0, 14)}+0000`
}

function code(value: string, scheme: string, meaning: string): object {
  return { '00080100': { vr: 'SH', Value: [value] }, '00080102': { vr: 'SH', Value: [scheme] }, '00080104': { vr: 'LO', Value: [meaning.slice(0, 64)] } }
}

function sequence(items: readonly object[]): object {
  return { vr: 'SQ', Value: items }
}
