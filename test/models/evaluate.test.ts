import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { exportBundle } from '../../export/export-bundle.ts'
import { chooseBackend } from '../../models/backend/choose-backend.ts'
import { type Checkpoint, writeCheckpoint } from '../../models/checkpoint.ts'
import { readDataSet } from '../../models/data/read-data-set.ts'
import { DCMM_VIT_PNEUMONIA } from '../../models/recipes/pneumonia-28.ts'
import { openRunStore } from '../../models/training/run-store.ts'
import { runTraining } from '../../models/training/run-training.ts'
import { nodeRuntime } from '../../src/infer/node-runtime.ts'
import { npzOf } from './support/npz.ts'
import { syntheticData } from './support/synthetic-data.ts'

const folder = mkdtempSync(join(tmpdir(), 'attending-evaluate-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** The command's JSON. */
function evaluate(model: string, dataFile: string, sha256: string): Record<string, unknown> {
  const script = resolve(import.meta.dirname, '../../models/evaluate.ts')
  const { stdout, stderr } = spawnSync(process.execPath, [script, model, '--data', dataFile, '--allow-data', sha256, '--backend', 'wasm', '--report', `${model}.html`], {
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

describe('npm run evaluate', () => {
  it('gives a bundle in ONNX Runtime, fed by the preprocessing of serving, the figures of its checkpoint in TF.js', async () => {
    const { train, validation, test } = syntheticData({ train: 64, validation: 20, test: 30, side: 28 }).splits
    const part = ({ images, labels }: typeof train) => ({ side: 28, images, labels: [...labels] })
    const bytes = npzOf({ train: part(train), val: part(validation), test: part(test) })
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    const dataFile = join(folder, 'data.npz')
    writeFileSync(dataFile, bytes)

    const { network, training } = DCMM_VIT_PNEUMONIA
    const recipe = { ...DCMM_VIT_PNEUMONIA, network: { ...network, width: 16, depth: 2, heads: 2, structuredLayers: [1] }, training: { ...training, batchSize: 32, epochs: 2 } }
    const backend = await chooseBackend('wasm')
    const data = readDataSet(bytes, { allowed: [sha256] })
    const outcome = await runTraining({ recipe, data, seed: 1, backend, store: openRunStore(join(folder, 'run')), resume: false, report: () => {}, shouldStop: () => false })
    const { checkpoint } = outcome as { checkpoint: Checkpoint }
    const checkpointFile = join(folder, 'model.safetensors')
    writeFileSync(checkpointFile, writeCheckpoint(checkpoint))

    const release = { id: 'tiny-v1', version: '1.0.0', createdAt: '2026-01-01T00:00:00Z', checkpointSha256: '0'.repeat(64) }
    const { files } = await exportBundle({ checkpoint, release, ops: 'function', mask: { mode: 'expected' }, data: null }, nodeRuntime, backend.primitives)
    const bundle = join(folder, 'tiny-v1')
    mkdirSync(bundle)
    for (const [name, content] of files) writeFileSync(join(bundle, name), content)

    const ofCheckpoint = evaluate(checkpointFile, dataFile, sha256)
    const ofBundle = evaluate(bundle, dataFile, sha256)
    expect(ofBundle).toMatchObject({ model: { id: 'tiny-v1', network: 'dcmm-vit' }, data: { sameAsTraining: true }, runtime: expect.stringContaining('onnxruntime') })
    expect(ofBundle['confusion']).toEqual(ofCheckpoint['confusion'])
    for (const model of [checkpointFile, bundle]) {
      const page = readFileSync(`${model}.html`, 'utf8')
      expect(page.match(/<svg /g)).toHaveLength(4)
      expect(page).toContain('Research use only')
      expect(page).toContain((ofBundle['test'] as { auc: number }).auc.toFixed(3))
      expect(page).not.toMatch(/<script|https?:|src=/)
    }
    for (const figures of ['test', 'validation', 'calibrated', 'withoutStructure']) {
      const expected = ofCheckpoint[figures] as Record<string, number>
      const actual = ofBundle[figures] as Record<string, number>
      for (const name of ['accuracy', 'auc', 'brier', 'nll']) expect(actual[name], `${figures} ${name}`).toBeCloseTo(expected[name]!, 4)
    }
  })
})
