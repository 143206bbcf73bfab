/** A golden file as a bundle would give it: manifest, outputs of one image, and its last block's weights. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Manifest, parseManifest } from '../../src/domain/manifest.ts'
import type { ModelOutputs, NamedOutputs } from '../../src/domain/outputs.ts'
import { at, type Tensor, tensorOf } from '../../src/tensor/tensor.ts'

export type GoldenName = 'vit' | 'dcmm' | 'dcmm-all' | 'sbm-expected'
export type GoldenTensors = ReadonlyMap<string, Tensor>

const LAYERS: Readonly<Record<GoldenName, readonly number[]>> = { vit: [], dcmm: [1], 'dcmm-all': [0, 1], 'sbm-expected': [0, 1] }
const STRUCTURE_OUTPUTS = ['membership', 'degree', 'bias', 'block', 'queryLoading', 'keyLoading', 'affinity', 'edgeProbability', 'mask'] as const

/** Tensors by name: eight bytes of header length, a JSON header, little-endian values (the safetensors format). */
export function readGolden(name: GoldenName): GoldenTensors {
  const bytes = readFileSync(resolve(import.meta.dirname, `../golden/${name}.safetensors`))
  const headerLength = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.subarray(8, 8 + headerLength).toString('utf8')) as Record<string, { shape: number[]; data_offsets: [number, number] }>
  const tensors = new Map<string, Tensor>()
  for (const [key, entry] of Object.entries(header)) {
    if (key === '__metadata__') continue
    const values = bytes.subarray(8 + headerLength + entry.data_offsets[0], 8 + headerLength + entry.data_offsets[1])
    tensors.set(key, tensorOf(new Float32Array(new Uint8Array(values).buffer), entry.shape))
  }
  return tensors
}

export function tensorNamed(tensors: GoldenTensors, name: string): Tensor {
  const tensor = tensors.get(name)
  if (tensor === undefined) throw new RangeError(`no golden tensor ${name}`)
  return tensor
}

const stack = (tensors: readonly Tensor[]): Tensor => {
  const size = tensors[0]!.data.length
  const data = new Float32Array(size * tensors.length)
  tensors.forEach((tensor, i) => {
    data.set(tensor.data, i * size)
  })
  return tensorOf(data, [tensors.length, ...tensors[0]!.shape])
}

/** One image's outputs; the run without structure has the logits that the file holds, and the attention softmax(scores) where the structure is in the last layer alone. */
export function goldenOutputs(name: GoldenName, image: number): ModelOutputs {
  const golden = readGolden(name)
  const ofImage = (key: string): Tensor => at(tensorNamed(golden, key), image)
  const asTrained: NamedOutputs = {
    logits: ofImage('logits'),
    attention: ofImage('layer1.attention'),
    attentionAll: stack([ofImage('layer0.attention'), ofImage('layer1.attention')]),
    scores: ofImage('layer1.scores'),
    ...structureOutputs(name, golden, image),
  }
  if (LAYERS[name].length === 0) return { asTrained, withoutStructure: null }
  return { asTrained, withoutStructure: { logits: ofImage('explain.logitsWithoutStructure'), attention: softmaxRows(ofImage('layer1.scores')) } }
}

function structureOutputs(name: GoldenName, golden: GoldenTensors, image: number): NamedOutputs {
  const entries = STRUCTURE_OUTPUTS.filter((output) => golden.has(`layer1.${output}`)).map((output) => {
    const isWeight = output === 'block' || output === 'affinity'
    return [
      output,
      stack(LAYERS[name].map((layer) => (isWeight ? tensorNamed(golden, `layer${layer}.${output}`) : at(tensorNamed(golden, `layer${layer}.${output}`), image)))),
    ] as const
  })
  return Object.fromEntries(entries)
}

/** Row softmax in float64 of [head, token, token]. */
export function softmaxRows(scores: Tensor): Tensor {
  const keys = scores.shape.at(-1)!
  const out = new Float32Array(scores.data.length)
  for (let start = 0; start < out.length; start += keys) {
    const row = [...scores.data.subarray(start, start + keys)].map((score) => Math.exp(score))
    const sum = row.reduce((total, value) => total + value, 0)
    out.set(
      row.map((value) => value / sum),
      start,
    )
  }
  return tensorOf(out, scores.shape)
}

const zeros = '0'.repeat(64)

/** A manifest whose outputs are those given; whatever a test does not turn is plausible. */
export function manifestOf(given: Partial<Manifest> & { readonly outputNames: readonly string[] }): Manifest {
  const { outputNames, ...rest } = given
  return parseManifest({
    schemaVersion: 1,
    id: 'golden-network',
    version: '1',
    title: 'golden',
    network: 'vit',
    createdAt: '2026-01-01T00:00:00Z',
    graph: { file: 'model.onnx', sha256: zeros, opset: 20, ir: 9, ops: 'function', batchInvariant: true },
    tail: null,
    customOps: [],
    input: { name: 'pixels', layout: 'nchw', channels: 1, height: 16, width: 16, fit: 'stretch', resize: 'bilinear', mean: [0], deviation: [1], modalities: [] },
    outputs: Object.fromEntries(outputNames.map((name) => [name, { name, axes: ['batch'] }])),
    patchGrid: { height: 4, width: 4 },
    prefixTokens: 1,
    classTokenIndex: 0,
    depth: 2,
    heads: 3,
    structure: null,
    classes: ['first', 'second', 'third'].map((name) => ({ name, code: null })),
    temperature: null,
    parity: { absolute: 1e-4, relative: 1e-4 },
    training: null,
    metrics: [],
    intendedUse: 'tests',
    limits: [],
    licence: 'Apache-2.0',
    attributions: [],
    ...rest,
  })
}

/** The manifest that fits a golden file. */
export function goldenManifest(name: GoldenName, given: Partial<Manifest> = {}): Manifest {
  const layers = LAYERS[name]
  const network = name === 'vit' ? 'vit' : name === 'sbm-expected' ? 'sbm-vit' : 'dcmm-vit'
  return manifestOf({
    outputNames: [...Object.keys(goldenOutputs(name, 0).asTrained), 'values', 'residual'],
    network,
    structure:
      layers.length === 0
        ? null
        : { layers: [...layers], communities: 5, options: {}, structureInput: 'structure', seedInput: null, maskMode: network === 'sbm-vit' ? 'expected' : null },
    ...given,
  })
}
