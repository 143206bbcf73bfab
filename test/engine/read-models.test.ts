import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Problem } from '../../src/domain/problem.ts'
import { readModels } from '../../src/engine/read-models.ts'
import { sampleModels } from '../http/support/sample-prediction.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'attending-models-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const write = (name: string, manifest: unknown, card?: string): void => {
  mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(join(folder, name, 'manifest.json'), typeof manifest === 'string' ? manifest : JSON.stringify(manifest))
  if (card !== undefined) writeFileSync(join(folder, name, 'README.md'), card)
}
const refusal = (): Promise<unknown> =>
  readModels(folder).then(
    () => 'read',
    (error: Problem) => [error.code, error.facts],
  )
const [{ manifest: first }, { manifest: second }] = [sampleModels[0]!, sampleModels[1]!]

describe('readModels', () => {
  it('reads every bundle of the folder in the order of their ids, with the card where there is one', async () => {
    write(second.id, second)
    write(first.id, first, '# Card\n')
    mkdirSync(join(folder, 'notes'))
    expect(await readModels(folder)).toEqual([
      { manifest: first, card: '# Card\n' },
      { manifest: second, card: null },
    ])
  })

  it('refuses a folder without a bundle, and one that is not there', async () => {
    expect(await refusal()).toEqual(['bundle-refused', { reason: 'none' }])
    rmSync(folder, { recursive: true })
    expect(await refusal()).toEqual(['bundle-refused', { reason: 'none' }])
    mkdirSync(folder)
  })

  it('refuses a bundle in a folder of another name than its id', async () => {
    write('renamed', first)
    expect(await refusal()).toEqual(['bundle-refused', { reason: 'id' }])
  })

  it('refuses a manifest that is no JSON, of another schema, or not whole', async () => {
    for (const wrong of ['{', { ...first, schemaVersion: 0 }, { ...first, classes: [] }]) {
      write(first.id, wrong)
      expect(await refusal()).toEqual(['manifest-invalid', {}])
    }
  })
})
