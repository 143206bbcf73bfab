import { describe, expect, it } from 'vitest'
import { stagesOf } from '../../models/explanations/randomize-model.ts'
import { readGraphWeights, replaceWeights } from '../../models/graph-weights.ts'
import { initialWeights } from '../../models/initial-weights.ts'
import { weightShapes } from '../../models/weight-shapes.ts'
import { goldenBundle } from '../support/golden-bundle.ts'
import { loadGolden } from './support/golden.ts'

describe.each(['dcmm', 'sbm-expected', 'vit'] as const)('readGraphWeights of a bundle of %s', (name) => {
  it('finds the weights that it was exported from, to the bit, and nothing else', () => {
    const golden = loadGolden(name)
    const weights = readGraphWeights(goldenBundle(golden).graph)
    expect([...weights.keys()].sort()).toEqual([...golden.weights.keys()].sort())
    for (const [weight, { shape, data }] of golden.weights) {
      expect(weights.get(weight)?.shape, weight).toEqual(shape)
      expect(Buffer.compare(Buffer.from(weights.get(weight)!.data.buffer), Buffer.from(data.slice().buffer)), weight).toBe(0)
    }
  })
})

describe.each(['dcmm', 'sbm-expected', 'vit'] as const)('replaceWeights in a bundle of %s', (name) => {
  const golden = loadGolden(name)
  const files = goldenBundle(golden)
  const fresh = initialWeights(golden.config, 5)

  it('gives, byte for byte, the graphs that the exporter writes for those weights', () => {
    const expected = goldenBundle({ ...golden, weights: fresh })
    const replaced = replaceWeights(files, fresh)
    expect(Buffer.compare(replaced.graph, expected.graph)).toBe(0)
    expect(Buffer.compare(replaced.tail!, expected.tail!)).toBe(0)
    expect(replaced.manifest).toEqual(expected.manifest)
    expect(Buffer.compare(files.graph, expected.graph)).not.toBe(0)
  })

  it('leaves what is not named as it was, in both graphs', () => {
    const some = new Map([...fresh].filter(([weight]) => weight.startsWith('head.') || weight.startsWith('blocks.1.')))
    const expected = goldenBundle({ ...golden, weights: new Map([...golden.weights, ...some]) })
    const replaced = replaceWeights(files, some)
    expect(Buffer.compare(replaced.graph, expected.graph)).toBe(0)
    expect(Buffer.compare(replaced.tail!, expected.tail!)).toBe(0)
  })

  it('refuses a weight that the graph does not hold, and one of another size', () => {
    const head = fresh.get('head.weight')!
    expect(() => replaceWeights(files, new Map([['blocks.9.norm1.weight', head]]))).toThrow(expect.objectContaining({ code: 'checkpoint-invalid' }))
    expect(() => replaceWeights(files, new Map([['head.bias', head]]))).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
  })
})

describe('stagesOf', () => {
  it('names every weight once, from the output to the input', () => {
    const { config } = loadGolden('dcmm')
    const names = [...weightShapes(config).keys()]
    const stages = stagesOf(config, names)
    expect(stages.map(([stage]) => stage)).toEqual(['head', ...Array.from({ length: config.depth }, (_, i) => `block ${config.depth - 1 - i}`), 'embedding'])
    expect(stages.flatMap(([, weights]) => weights).sort()).toEqual([...names].sort())
  })
})
