import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { writeSafetensors } from '../../../models/safetensors.ts'
import { readGivenWeights } from '../../../models/starting-point/given-weights.ts'
import { weightShapes } from '../../../models/weight-shapes.ts'
import { goldenBundle } from '../../support/golden-bundle.ts'
import { loadGolden } from '../support/golden.ts'

const released = resolve(import.meta.dirname, '../../../models/released')
const folder = mkdtempSync(join(tmpdir(), 'attending-given-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('readGivenWeights', () => {
  it('takes every weight of a released bundle, and the data that its manifest names', async () => {
    const name = 'sbm-vit-small-patch8-128.brain-v1'
    const manifest = JSON.parse(readFileSync(join(released, name, 'manifest.json'), 'utf8'))
    const { sha256, model, tensors, sources } = await readGivenWeights(join(released, name))
    expect({ sha256, model }).toEqual({ sha256: manifest.graph.sha256, model: { id: name, version: '1.0.0' } })
    expect(new Map([...tensors].map(([weight, { shape }]) => [weight, shape]))).toEqual(new Map(weightShapes(manifest.training.network)))
    expect(sources?.map(({ id }) => id)).toEqual(['braintumor128', 'busi128', 'nih1000-64'])
  })

  it('does not know the data of a bundle that tells nothing of its training', async () => {
    const { manifestBytes, graph, manifest } = goldenBundle(loadGolden('vit'))
    const place = mkdtempSync(join(folder, 'golden-'))
    writeFileSync(join(place, 'manifest.json'), manifestBytes)
    writeFileSync(join(place, manifest.graph.file), graph)
    if (manifest.tail !== null) writeFileSync(join(place, manifest.tail.file), graph)
    expect(await readGivenWeights(place)).toMatchObject({ sources: null, sha256: manifest.graph.sha256 })
  })

  it('refuses a bundle whose graph is not the one that its manifest names', async () => {
    const place = join(folder, 'altered')
    cpSync(join(released, 'dcmm-vit-tiny-patch4-28.pneumonia-v1'), place, { recursive: true })
    const graph = readFileSync(join(place, 'model.onnx'))
    graph[graph.length >> 1]! ^= 1
    writeFileSync(join(place, 'model.onnx'), graph)
    await expect(readGivenWeights(place)).rejects.toMatchObject({ code: 'bundle-refused', facts: { reason: 'hash-mismatch' } })
  })

  it('takes a safetensors file, and says where there is none', async () => {
    const golden = loadGolden('vit')
    writeFileSync(join(folder, 'file.safetensors'), writeSafetensors(golden.weights, {}))
    expect((await readGivenWeights(join(folder, 'file.safetensors'))).tensors).toEqual(golden.weights)
    await expect(readGivenWeights(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'file-unreadable' })
  })
})
