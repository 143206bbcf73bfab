/** DICOM objects in, the same objects at a DICOMweb archive out (STOW-RS); and the ways to look for some (QIDO-RS) and to fetch them (WADO-RS). */
import { createHash } from 'node:crypto'
import type { ResultObject } from '../domain/job.ts'
import { Problem } from '../domain/problem.ts'
import { type DicomJson, itemsOf, numberOf, parseDicomJson, stringOf } from './dicom-json.ts'
import { buildMultipart, type MultipartLimits, parseMultipartType, readParts } from './multipart.ts'
import type { DicomwebPeer, RetrieveKey } from './peers.ts'
import { type PeerAnswer, readBody, requestPeer, statusProblem } from './request-peer.ts'

const REFERENCED_SOP_INSTANCE_UID = '00081155'
const FAILED_SOP_SEQUENCE = '00081198'
const REFERENCED_SOP_SEQUENCE = '00081199'
const FAILURE_REASON = '00081197'
const SOP_INSTANCE_UID = '00080018'
const MAX_ANSWER_BYTES = 16 * 1024 * 1024

/**
 * Stores every object, or throws.
 *
 * An object counts as stored where the answer lists it as stored and not as failed. Any other is asked for: an archive that has it
 * already may call a second storing a failure, and some answer 200 without having stored anything.
 * Throws: "pacs-unreachable", "pacs-refused".
 */
export async function storeInstances(peer: DicomwebPeer, objects: readonly ResultObject[], signal?: AbortSignal): Promise<void> {
  if (objects.length === 0) return
  const answer = await postObjects(peer, objects, signal)
  const [listing] = parseDicomJson(await readBody(answer, MAX_ANSWER_BYTES))
  const isAnswered = [200, 202, 409].includes(answer.status)
  if (!isAnswered) throw statusProblem(answer.status, 'store the results')
  const failures = failuresOf(listing ?? {})
  const stored = new Set(itemsOf(listing ?? {}, REFERENCED_SOP_SEQUENCE).map((item) => stringOf(item, REFERENCED_SOP_INSTANCE_UID)))
  for (const { sopInstanceUid } of objects) {
    if (stored.has(sopInstanceUid) && !failures.has(sopInstanceUid)) continue
    if (!(await hasInstance(peer, sopInstanceUid, signal))) throw notStored(failures.get(sopInstanceUid))
  }
}

/** The objects that the archive does not have; all of them where it can't be asked: not every archive that stores can be searched. */
export async function findMissing(peer: DicomwebPeer, objects: readonly ResultObject[], signal?: AbortSignal): Promise<readonly ResultObject[]> {
  try {
    const missing: ResultObject[] = []
    for (const object of objects) if (!(await hasInstance(peer, object.sopInstanceUid, signal))) missing.push(object)
    return missing
  } catch (error) {
    if (error instanceof Problem) return objects
    throw error
  }
}

function postObjects(peer: DicomwebPeer, objects: readonly ResultObject[], signal?: AbortSignal): Promise<PeerAnswer> {
  const files = objects.map(({ bytes }) => bytes)
  const digest = files.reduce((hash, bytes) => hash.update(bytes), createHash('sha256')).digest('hex')
  const { contentType, body } = buildMultipart(files, digest.slice(0, 60))
  return requestPeer(peer, { method: 'POST', path: ['studies'], headers: { 'Content-Type': contentType, Accept: 'application/dicom+json' }, body }, signal)
}

/** SOP Instance UID to failure reason (PS3.18 table I.2-2). */
function failuresOf(listing: DicomJson): Map<string | null, number> {
  return new Map(itemsOf(listing, FAILED_SOP_SEQUENCE).map((item) => [stringOf(item, REFERENCED_SOP_INSTANCE_UID), numberOf(item, FAILURE_REASON) ?? 0]))
}

/** Out of resources (A7xx) and processing failure (0110) may pass; no reason at all may too: nothing says that the archive will not have it. */
function notStored(reason: number | undefined): Problem {
  const mayPass = reason === undefined || reason === 0 || reason === 0x0110 || (reason & 0xff00) === 0xa700
  const detail = reason === undefined ? 'the archive lists an object neither as stored nor as failed' : `the archive failed to store an object (reason ${hex(reason)})`
  return new Problem(mayPass ? 'pacs-unreachable' : 'pacs-refused', detail, {})
}

const hex = (value: number): string => value.toString(16).toUpperCase().padStart(4, '0')

/** Whether the archive has the instance. Throws as `findInstances` does. */
export async function hasInstance(peer: DicomwebPeer, sopInstanceUid: string, signal?: AbortSignal): Promise<boolean> {
  const found = await search(peer, ['instances'], { SOPInstanceUID: sopInstanceUid, limit: '1' }, signal)
  return found.some((dataset) => stringOf(dataset, SOP_INSTANCE_UID) === sopInstanceUid)
}

/**
 * SOP Instance UIDs of what the key names, as the archive states them.
 *
 * Throws: "pacs-unreachable", "pacs-refused".
 */
export async function findInstances(peer: DicomwebPeer, { studyInstanceUid, seriesInstanceUid, sopInstanceUid }: RetrieveKey, signal?: AbortSignal): Promise<readonly string[]> {
  const path = ['studies', studyInstanceUid, ...(seriesInstanceUid === null ? [] : ['series', seriesInstanceUid]), 'instances']
  const datasets = await search(peer, path, sopInstanceUid === null ? {} : { SOPInstanceUID: sopInstanceUid }, signal)
  return datasets.flatMap((dataset) => stringOf(dataset, SOP_INSTANCE_UID) ?? [])
}

async function search(peer: DicomwebPeer, path: readonly string[], query: Record<string, string>, signal?: AbortSignal): Promise<readonly DicomJson[]> {
  const answer = await requestPeer(peer, { method: 'GET', path, query, headers: { Accept: 'application/dicom+json' } }, signal)
  const body = await readBody(answer, MAX_ANSWER_BYTES)
  if (answer.status === 204) return []
  if (answer.status !== 200) throw statusProblem(answer.status, 'be searched')
  return parseDicomJson(body)
}

/**
 * The files of what the key names, in the transfer syntax in which the archive keeps them.
 *
 * Throws: "pacs-unreachable", "pacs-refused".
 */
export async function* retrieveInstances(peer: DicomwebPeer, key: RetrieveKey, limits: MultipartLimits, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid } = key
  if (sopInstanceUid !== null && seriesInstanceUid === null)
    throw new Problem('parameter-invalid', 'an instance is named together with its series', { parameter: 'seriesInstanceUid' })
  const path = [
    'studies',
    studyInstanceUid,
    ...(seriesInstanceUid === null ? [] : ['series', seriesInstanceUid]),
    ...(sopInstanceUid === null ? [] : ['instances', sopInstanceUid]),
  ]
  // Without the star an archive may transcode, and a lossy image would pass for an untouched one.
  const answer = await requestPeer(peer, { method: 'GET', path, headers: { Accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' } }, signal)
  if (answer.status !== 200) throw statusProblem(answer.status, 'hand out the images')
  yield* filesOf(answer, limits)
}

async function* filesOf(answer: PeerAnswer, limits: MultipartLimits): AsyncGenerator<Uint8Array> {
  try {
    const { boundary } = parseMultipartType(answer.headers['content-type'] ?? '')
    for await (const part of readParts(answer.body, boundary, limits)) yield part.bytes
  } catch (error) {
    // The parser speaks of a request; here it is the peer that is wrong.
    if (error instanceof Problem && error.code === 'request-malformed') throw new Problem('pacs-unreachable', 'the archive broke off its answer', {}, error)
    if (error instanceof Problem && ['media-type-unsupported', 'body-too-large'].includes(error.code))
      throw new Problem('pacs-refused', `the archive's answer cannot be used: ${error.message}`, {}, error)
    throw error
  }
}
