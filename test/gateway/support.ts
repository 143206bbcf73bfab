/** A gateway on a database of its own, with work that makes two objects of each instance without predicting anything. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { buildUid } from '../../src/dicom/build-uid.ts'
import type { DicomResult } from '../../src/domain/dicom-result.ts'
import type { GatewaySettings } from '../../src/gateway/gateway-file.ts'
import { type Gateway, type GatewayParts, openGateway } from '../../src/gateway/open-gateway.ts'
import { type Database, openPglite } from '../../src/jobs/database.ts'
import { readFileMeta } from '../../src/pacs/read-file-meta.ts'
import { syntheticFile } from '../pacs/support/synthetic-files.ts'

const SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7'

export const settingsOf = (fields: Partial<GatewaySettings>): GatewaySettings => ({
  aeTitle: 'ATTENDING',
  rules: { version: 1, rules: [] },
  dimse: null,
  watch: [],
  archives: [],
  destinations: [],
  worklists: [],
  maxQueued: 1000,
  maxObjectBytes: 16 << 20,
  retentionMs: 3_600_000,
  ...fields,
})

/** Objects whose UIDs follow from the instance, as the real ones do. */
export function objectsOf(bytes: Uint8Array): DicomResult[] {
  const { sopInstanceUid } = readFileMeta(bytes)
  return ['a', 'b'].map((kind) => {
    const uid = buildUid(sopInstanceUid, kind)
    return {
      kind: 'sc',
      map: null,
      studyInstanceUid: '1.2.8',
      seriesInstanceUid: '1.2.9',
      sopClassUid: SECONDARY_CAPTURE,
      sopInstanceUid: uid,
      bytes: syntheticFile(SECONDARY_CAPTURE, uid, '1.2.9'),
    }
  })
}

export interface TestGateway {
  readonly gateway: Gateway
  readonly database: Database
  close(): Promise<void>
}

export async function openTestGateway(folder: string, settings: GatewaySettings, parts: Partial<GatewayParts> = {}): Promise<TestGateway> {
  const database = await openPglite(join(folder, 'queue'))
  const gateway = await openGateway({
    settings,
    database,
    folder: join(folder, 'gateway'),
    processInstance: async ({ bytes }) => ({
      kind: 'results',
      modelId: 'm',
      frames: [],
      objects: objectsOf(bytes),
      omitted: [],
      destinations: settings.destinations.map(({ name }) => name),
    }),
    keepPrediction: async () => null,
    resultEnvironment: (createdAt) => ({ createdAt, utcOffsetMinutes: 0, deviceSerialNumber: 'test' }),
    predictConcurrency: 2,
    now: () => new Date(),
    newId: () => randomBytes(16).toString('hex'),
    log: { info() {}, warn() {}, error() {} },
    ...parts,
  })
  return {
    gateway,
    database,
    async close() {
      await gateway.close(2000)
      await database.close()
    },
  }
}
