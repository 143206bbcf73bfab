/** An archive and the record of its stores in, how the two compare out. */
import { readFileMeta } from '../../src/pacs/read-file-meta.ts'
import type { Orthanc } from '../support/orthanc.ts'
import { getBytes, getJson } from './get-json.ts'
import { type StoreRecord, sha256 } from './recording-archive.ts'

export interface ArchiveContent {
  /** Studies, one for each order, by how many result objects they hold. */
  readonly studiesByObjects: Readonly<Record<number, number>>
  /** Different UIDs that were stored. */
  readonly objects: number
  /** Of those, how many were stored more than once. */
  readonly storedAgain: number
  /** Of those, how many were sent with different bytes. */
  readonly sentDifferently: number
  /** Instances of the archive whose bytes are not those that were sent under their UID. */
  readonly keptDifferently: number
}

export async function readArchive(archive: Orthanc, stores: ReadonlyMap<string, StoreRecord>): Promise<ArchiveContent> {
  const records = [...stores.values()]
  return {
    studiesByObjects: await countStudies(archive),
    objects: stores.size,
    storedAgain: records.filter(({ times }) => times > 1).length,
    sentDifferently: records.filter(({ digests }) => digests.size > 1).length,
    keptDifferently: await countDifferent(archive, stores),
  }
}

async function countStudies({ url }: Orthanc): Promise<Record<number, number>> {
  const studies = await getJson<readonly string[]>(`${url}/studies`)
  const counts: Record<number, number> = {}
  for (const id of studies) {
    const { CountInstances } = await getJson<{ CountInstances: number }>(`${url}/studies/${id}/statistics`)
    counts[CountInstances] = (counts[CountInstances] ?? 0) + 1
  }
  return counts
}

async function countDifferent({ url }: Orthanc, stores: ReadonlyMap<string, StoreRecord>): Promise<number> {
  let different = 0
  for (const id of await getJson<readonly string[]>(`${url}/instances`)) {
    const bytes = await getBytes(`${url}/instances/${id}/file`)
    if (!stores.get(readFileMeta(bytes).sopInstanceUid)?.digests.has(sha256(bytes))) different++
  }
  return different
}
