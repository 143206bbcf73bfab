import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildNetwork } from '../../../export/networks/build-network.ts'
import { encodeModel } from '../../../export/onnx/encode-model.ts'
import { checkGraph } from '../../../src/infer/check-graph.ts'
import { inlineFunctions } from '../../../src/infer/inline-functions.ts'
import { nodeRuntime } from '../../../src/infer/node-runtime.ts'
import type { Feed, Session } from '../../../src/infer/runtime.ts'
import type { Tensor } from '../../../src/tensor/tensor.ts'
import { excess, GOLDEN_TOLERANCE, type Golden, loadGolden } from '../../models/support/golden.ts'

/** The graph's names of the golden files' tensors. */
const graphName = (golden: string, lastLayer: number): string | null => {
  const stage = /^layer(\d+)\.(\w+)$/.exec(golden)
  if (stage === null) return ['tokens', 'logits'].includes(golden) ? golden : null
  const [, layer, name = ''] = stage
  if (name === 'scores') return Number(layer) === lastLayer ? 'scores' : null
  if (name === 'tokens') return null
  return `${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}.${layer}`
}

const feedsOf = ({ config, input }: Golden, structure: number): Record<string, Feed> => {
  const batch = input.shape[0]!
  const perImage = (value: number): Feed => ({ type: 'float32', data: new Float32Array(batch).fill(value), shape: [batch] })
  const feeds: Record<string, Feed> = { pixels: { type: 'float32', data: input.data, shape: input.shape } }
  if (config.structuredLayers.length > 0) feeds['structure'] = perImage(structure)
  if (config.sbm !== null) Object.assign(feeds, { sampled: perImage(0), seed: { type: 'uint32', data: new Uint32Array(batch), shape: [batch] } })
  return feeds
}

describe.each(['vit', 'dcmm', 'dcmm-all', 'sbm-expected'] as const)('the graph of golden network %s in ONNX Runtime', (name) => {
  const golden = loadGolden(name)
  let withFunctions: Session
  let writtenOut: Session

  beforeAll(async () => {
    const bytes = encodeModel(buildNetwork(golden.config, golden.weights).model)
    withFunctions = await nodeRuntime.open(bytes)
    writtenOut = await nodeRuntime.open(inlineFunctions(checkGraph(bytes)))
  })
  afterAll(async () => {
    await withFunctions.release()
    await writtenOut.release()
  })

  it('meets every golden tensor that it declares', async () => {
    const wanted = [...golden.expected].flatMap(([key, expected]): [string, Tensor][] => {
      const output = graphName(key, golden.config.depth - 1)
      return output === null ? [] : [[output, expected]]
    })
    expect(wanted.length).toBeGreaterThanOrEqual(4)
    const results = await withFunctions.run(
      feedsOf(golden, 1),
      wanted.map(([output]) => output),
    )
    const worst = wanted.map(([output, expected]) => [output, excess(results.get(output)!, expected, GOLDEN_TOLERANCE)] as const).filter(([, ratio]) => ratio > 1)
    expect(worst).toEqual([])
  })

  it('gives the same bits with functions and written out, for every output', async () => {
    for (const structure of [0, 1]) {
      const a = await withFunctions.run(feedsOf(golden, structure), withFunctions.outputNames)
      const b = await writtenOut.run(feedsOf(golden, structure), writtenOut.outputNames)
      expect([...b]).toEqual([...a])
    }
  })

  it("gives the class token's rows as they stand in the matrices, to the bit", async () => {
    const rows = withFunctions.outputNames.filter((output) => output.startsWith('class_token.'))
    expect(rows.map((output) => output.slice('class_token.'.length).replace(/\.\d+$/, ''))).toEqual(expect.arrayContaining(['attention', 'scores']))
    const results = await withFunctions.run(
      feedsOf(golden, 1),
      rows.flatMap((output) => [output, output.slice('class_token.'.length)]),
    )
    for (const output of rows) {
      const matrix = results.get(output.slice('class_token.'.length))!
      const [batch = 0, heads = 0, tokens = 0] = matrix.shape
      expect(results.get(output)!.shape).toEqual([batch, heads, tokens])
      const firstRows = Float32Array.from({ length: batch * heads * tokens }, (_, i) => matrix.data[Math.floor(i / tokens) * tokens * tokens + (i % tokens)]!)
      expect(results.get(output)!.data).toEqual(firstRows)
    }
  })

  it.runIf(golden.expected.has('explain.logitsWithoutStructure'))('meets the logits without structure where the switch is 0', async () => {
    const results = await withFunctions.run(feedsOf(golden, 0), ['logits'])
    expect(excess(results.get('logits')!, golden.expected.get('explain.logitsWithoutStructure')!, GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
  })

  it('answers an image the same alone and in a batch, to the bit', async () => {
    const { data, shape } = golden.input
    const together = await withFunctions.run(feedsOf(golden, 1), withFunctions.outputNames)
    const alone = await withFunctions.run(feedsOf({ ...golden, input: { data: data.subarray(0, data.length / 2), shape: [1, ...shape.slice(1)] } }, 1), withFunctions.outputNames)
    for (const [output, tensor] of alone) {
      const shared = tensor.shape[0] !== 1
      expect(tensor.data, output).toEqual(shared ? together.get(output)!.data : together.get(output)!.data.subarray(0, tensor.data.length))
    }
  })
})

describe('the graph of golden network sbm-masked, its masks given', () => {
  const golden = loadGolden('sbm-masked')

  it('meets every golden tensor that it declares', async () => {
    const { model } = buildNetwork(golden.config, golden.weights)
    // The layers' draws become inputs: 0 is below every edge probability, 1 below none, which is the golden mask.
    const draws = model.graph.nodes.filter(({ type }) => type === 'If').map(({ outputs }) => outputs[0]!)
    const nodes = model.graph.nodes.filter(({ type }) => type !== 'If')
    const inputs = [...model.graph.inputs.filter(({ name }) => name !== 'seed'), ...draws.map((name) => ({ name, type: 'float' as const, axes: [1, 3, 17, 17] }))]
    const session = await nodeRuntime.open(encodeModel({ ...model, graph: { ...model.graph, nodes, inputs } }))
    const { seed: _, ...feeds } = feedsOf(golden, 1)
    feeds['sampled'] = { type: 'float32', data: Float32Array.of(1, 1), shape: [2] }
    const masks = golden.mask.mode === 'fixed' ? golden.mask.masks : new Map<number, Tensor>()
    draws.forEach((name, layer) => {
      const mask = masks.get(layer)!
      feeds[name] = { type: 'float32', data: mask.data.map((kept) => 1 - kept), shape: mask.shape }
    })
    const results = await session.run(feeds, session.outputNames)
    await session.release()
    const wanted = [...golden.expected].flatMap(([key, expected]): [string, Tensor][] => {
      const output = graphName(key, golden.config.depth - 1)
      return output === null ? [] : [[output, expected]]
    })
    expect(wanted.length).toBe(15)
    expect(wanted.map(([output, expected]) => [output, excess(results.get(output)!, expected, GOLDEN_TOLERANCE)] as const).filter(([, ratio]) => ratio > 1)).toEqual([])
  })
})
