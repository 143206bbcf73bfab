import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { TensorProto_DataType } from 'onnx-buf'
import { describe, expect, it } from 'vitest'
import { buildTail } from '../../export/networks/build-tail.ts'
import { encodeModel } from '../../export/onnx/encode-model.ts'
import type { NetworkConfig } from '../../models/network-config.ts'
import { parseManifest } from '../../src/domain/manifest.ts'
import { checkGraph } from '../../src/infer/check-graph.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { dataFile, hasData } from '../support/corpus.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const RELEASED = join(ROOT, 'models/released')

type Figures = Readonly<Record<string, number>>

function evaluated(folder: string, data: string): Readonly<Record<string, Figures>> {
  const { stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'models/evaluate.ts'), folder, '--data', data], { encoding: 'utf8' })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

/** Where a data set lies beside the project, by its id. */
function fileOf(id: string): string {
  return dataFile(id.endsWith('mnist') ? `medmnist/${id}.npz` : `${id}/${id}.npz`)
}

/** The float weights of a bundle's graph, as in a checkpoint. */
function weightsOf(folder: string): Map<string, Tensor> {
  const weights = new Map<string, Tensor>()
  for (const { name, dims, dataType, rawData } of checkGraph(readFileSync(join(folder, 'model.onnx'))).graph!.initializer) {
    if (dataType !== TensorProto_DataType.FLOAT) continue
    const shape = dims.map(Number)
    const data = new Float32Array(Uint8Array.from(rawData).buffer)
    const [inner = 0, out = 0] = shape
    if (!name.endsWith('.transposed')) weights.set(name, tensorOf(data, shape))
    else
      weights.set(
        name.slice(0, -'.transposed'.length),
        tensorOf(
          data.map((_, i) => data[(i % inner) * out + Math.floor(i / inner)]!),
          [out, inner],
        ),
      )
  }
  return weights
}

describe('a released bundle', () => {
  it.each(readdirSync(RELEASED))("%s has the tail that today's exporter writes of its weights", (name) => {
    const folder = join(RELEASED, name)
    const { network, input, patchGrid, depth, heads, classes } = parseManifest(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')))
    const weights = weightsOf(folder)
    const [hidden = 0, width = 0] = weights.get('blocks.0.mlp.fc1.weight')!.shape
    const config: NetworkConfig = {
      network: network as NetworkConfig['network'],
      imageSize: input.height,
      channels: input.channels,
      patchSize: input.height / patchGrid.height,
      patchOverlap: 0,
      width,
      depth,
      heads,
      mlpRatio: hidden / width,
      classes: classes.length,
      layerNormEps: 1e-6,
      // The tail is the same with any structure.
      structuredLayers: [],
      dcmm: null,
      sbm: null,
    }
    expect(Buffer.from(encodeModel(buildTail(config, weights))).equals(readFileSync(join(folder, 'tail.onnx')))).toBe(true)
  })

  it.skipIf(!hasData).each(readdirSync(RELEASED))(
    '%s gives today the figures of its manifest and card, to the digit (needs the data)',
    (name) => {
      const folder = join(RELEASED, name)
      const manifest = parseManifest(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')))
      const card = readFileSync(join(folder, 'README.md'), 'utf8')
      const today = evaluated(folder, fileOf((manifest.training!['data'] as { id: string }).id))
      expect(manifest.metrics.map(({ split }) => split).sort()).toEqual(['test', 'validation'])
      for (const { split, images, ...figures } of manifest.metrics) {
        const found = today[split]!
        for (const [figure, value] of Object.entries(figures)) expect(found[figure], `${split} ${figure}`).toBeCloseTo(value as number, 5)
        const { auc, accuracy, balancedAccuracy, ece, brier, nll } = found as Record<string, number>
        const cells = [auc!, accuracy!, balancedAccuracy!, ece!, brier!, nll!].map((value) => value.toFixed(3))
        expect(card).toContain(`| ${[split, ...cells, images].join(' | ')} |`)
      }
    },
    120_000,
  )
})
