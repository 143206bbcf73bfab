/** SBM attention against the golden core vectors, a float64 reference and the properties S1 to S16 of the method. */
import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import type { StageTap } from '../../../models/layers/stages.ts'
import { SBM_RELEASED, type SbmOptions } from '../../../models/network-config.ts'
import { edgeProbability, queryAffinity } from '../../../models/sbm-vit/affinity.ts'
import { drawMask } from '../../../models/sbm-vit/draw-mask.ts'
import { freeEdgeCount } from '../../../models/sbm-vit/forced-edges.ts'
import type { HardMask, SbmMask } from '../../../models/sbm-vit/mask-mode.ts'
import { lossAndGradients, readTensors, toTfTensors, toVariables } from '../../../models/variables.ts'
import { type Tensor, tensorOf } from '../../../src/tensor/tensor.ts'
import {
  attendSbm,
  byHead,
  changed,
  coreGolden,
  coreMask,
  type Doubles,
  filled,
  finiteDifferences,
  generated,
  greatestDifference,
  maskTensor,
  referenceSbmHeads,
  sbmValues,
  toDoubles,
  toQkv,
  type Values,
} from '../support/attention-case.ts'
import { TEST_BACKENDS, useBackend } from '../support/use-backend.ts'

/** Float32 of values near 1 through some ten operations; the float64 statements of the method ask 1e-12, a millionth of this in their own precision. */
const CLOSE = 2e-6

/** As in the release, which has no class token. */
const released: SbmOptions = { ...SBM_RELEASED, communities: 2, classTokenAlwaysOn: false }
const coreMode: SbmMask = { mode: 'fixed', masks: new Map([[0, maskTensor(coreMask)]]) }
const everyEdge: SbmMask = { mode: 'fixed', masks: new Map([[0, filled([1, 1, 4, 4], 1)]]) }
const expectedMode: SbmMask = { mode: 'expected' }

async function run(values: Values, options: SbmOptions = released, mask: SbmMask = coreMode, tap?: StageTap): Promise<ReadonlyMap<string, Tensor>> {
  const { out, regularizer, stages } = attendSbm(toTfTensors(values), options, mask, tap)
  return readTensors(new Map<string, tf.Tensor>([['out', out], ['density', regularizer], ...stages]))
}

async function plainOut(values: Values): Promise<Float32Array> {
  const t = toTfTensors(values)
  return (await byHead(plainPrimitives.attention(toQkv(t.get('q')!, t.get('k')!, t.get('v')!), 2), 2).data()) as Float32Array
}

async function gradientsOf(
  values: Values,
  options: SbmOptions,
  mask: SbmMask,
  amplitude: number,
  densityWeight: number,
): Promise<{ loss: number; gradients: ReadonlyMap<string, Tensor> }> {
  const variables = toVariables(values)
  const weights = tf.tensor(generated([1, 2, 4, 3], 6, amplitude).data, [1, 2, 4, 3])
  const result = lossAndGradients(variables, () => {
    const { out, regularizer } = attendSbm(variables, options, mask)
    return tf.add(tf.sum(tf.mul(out, weights)), tf.mul(regularizer, densityWeight))
  })
  return { loss: (await result.loss.data())[0]!, gradients: await readTensors(result.gradients) }
}

/** dL/dP, by a watched zero that is added to P. L = sum(out x weights) + densityWeight x density. */
async function gradientToProbability(options: SbmOptions, mask: SbmMask, amplitude: number, densityWeight = 0): Promise<Float32Array> {
  const values = toTfTensors(sbmValues())
  const weights = tf.tensor(generated([1, 2, 4, 3], 6, amplitude).data, [1, 2, 4, 3])
  const gradient = tf.grad((zero) => {
    const tap: StageTap = (name, value) => (name === 'edgeProbability' ? tf.add(value, zero) : value)
    const { out, regularizer } = attendSbm(values, options, mask, tap)
    return tf.add(tf.sum(tf.mul(out, weights)), tf.mul(regularizer, densityWeight))
  })(tf.zeros([1, 2, 4, 4]))
  return (await gradient.data()) as Float32Array
}

const drawn = async (probability: readonly number[], shape: [number, number, number, number], mask: HardMask, delta = 0): Promise<Float32Array> =>
  (await drawMask(tf.tensor4d([...probability], shape), mask, 0, delta).data()) as Float32Array
const numbered = (count: number, first = 0): number[] => Array.from({ length: count }, (_, i) => first + i)

describe.each(TEST_BACKENDS)('SBM attention on %s', (backend) => {
  beforeAll(() => useBackend(backend))

  it('meets the golden core vectors: loadings, affinity, edges, both attentions, output, loss and gradients', async () => {
    const g = coreGolden.sbm
    const stages = await run(sbmValues())
    const { loss, gradients } = await gradientsOf(sbmValues(), released, coreMode, 8, 0)
    expect(greatestDifference(stages.get('affinity')!.data, g['S'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(stages.get('queryLoading')!.data.subarray(0, 8), g['Y_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(stages.get('keyLoading')!.data.subarray(0, 8), g['Z_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(stages.get('edgeProbability')!.data.subarray(0, 16), g['P_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(stages.get('attention')!.data.subarray(0, 16), g['a_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference((await run(sbmValues(), released, expectedMode)).get('attention')!.data.subarray(0, 16), g['a_exp_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(stages.get('out')!.data, g['O'] as number[])).toBeLessThan(CLOSE)
    expect(Math.abs(loss - (g['loss'] as number))).toBeLessThan(1e-4) // near 30: three units of float32's last place are 6e-6
    expect(greatestDifference(gradients.get('cluster')!.data, g['dC'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(gradients.get('q')!.data.subarray(0, 12), g['dq_h0'] as number[])).toBeLessThan(1e-5)
  })

  it('S1: has an affinity that sums to 1 and is symmetric', async () => {
    const affinity = tf.tensor((await run(sbmValues(5), { ...released, communities: 5 })).get('affinity')!.data, [2, 5, 5])
    expect(greatestDifference((await tf.sum(affinity, [1, 2]).data()) as Float32Array, [1, 1])).toBeLessThan(CLOSE)
    expect(greatestDifference((await affinity.data()) as Float32Array, (await tf.transpose(affinity, [0, 2, 1]).data()) as Float32Array)).toBeLessThan(1e-7)
  })

  it('S2: keeps edge probabilities in (0, 1) and below the greatest query loading times the greatest key loading', async () => {
    const stages = await run(sbmValues())
    const [query, key] = [stages.get('queryLoading')!.data, stages.get('keyLoading')!.data]
    stages.get('edgeProbability')!.data.forEach((p, n) => {
      const [head, i, j] = [n >> 4, (n >> 2) & 3, n & 3]
      const most = (loading: Float32Array, token: number): number => Math.max(...loading.subarray((head * 4 + token) * 2, (head * 4 + token + 1) * 2))
      expect(p).toBeGreaterThan(0)
      expect(p).toBeLessThan(1)
      expect(p).toBeLessThanOrEqual(most(query, i) * most(key, j))
    })
  })

  it('S3: has S = 1 and P = Y Z for one community', async () => {
    const stages = await run(sbmValues(1), { ...released, communities: 1 })
    const [query, key] = [stages.get('queryLoading')!.data, stages.get('keyLoading')!.data]
    const expected = Array.from({ length: 32 }, (_, n) => query[(n >> 4) * 4 + ((n >> 2) & 3)]! * key[(n >> 4) * 4 + (n & 3)]!)
    expect([...stages.get('affinity')!.data]).toEqual([1, 1])
    expect(greatestDifference(stages.get('edgeProbability')!.data, expected)).toBeLessThan(1e-7)
  })

  it('S4: equals plain attention where every edge exists', async () => {
    expect(greatestDifference((await run(sbmValues(), released, everyEdge)).get('out')!.data, await plainOut(sbmValues()))).toBeLessThan(CLOSE)
  })

  it('S5: equals the softmax over kept keys, rows sum to 1, and a row without edges is exactly 0', async () => {
    const mask = tensorOf(Float32Array.of(0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1), [1, 1, 4, 4])
    const stages = await run(sbmValues(), released, { mode: 'fixed', masks: new Map([[0, mask]]) })
    const [scores, attention] = [stages.get('scores')!.data, stages.get('attention')!.data]
    for (let row = 0; row < 8; row++) {
      const kept = [...mask.data.subarray((row % 4) * 4, (row % 4) * 4 + 4)]
      const weights = kept.map((edge, j) => edge * Math.exp(scores[row * 4 + j]!))
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const expected = weights.map((weight) => (total === 0 ? 0 : weight / total))
      expect(greatestDifference(attention.subarray(row * 4, row * 4 + 4), expected)).toBeLessThan(CLOSE)
      if (row % 4 === 1) expect([...attention.subarray(row * 4, row * 4 + 4)]).toEqual([0, 0, 0, 0])
    }
  })

  it('S5: keeps its digits where all kept keys are hopeless, and leaves no NaN in the gradient of an empty row', async () => {
    // Scores of 60 and -60: as p * A / sum, the kept keys' p of 1e-52 would be 0 in float32 and the row lost.
    const values = changed(sbmValues(), {
      q: filled([1, 2, 4, 3], 6),
      k: tensorOf(
        Float32Array.from({ length: 24 }, (_, n) => (Math.floor(n / 3) % 4 === 0 ? 6 : -6)),
        [1, 2, 4, 3],
      ),
    })
    const mask = tensorOf(Float32Array.of(0, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0), [1, 1, 4, 4])
    const mode: SbmMask = { mode: 'fixed', masks: new Map([[0, mask]]) }
    const attention = (await run(values, released, mode)).get('attention')!.data
    expect([...attention.subarray(0, 8)]).toEqual([0, 0.5, 0.5, 0, 0, 0, 0, 0])
    const { gradients } = await gradientsOf(values, released, mode, 8, 0)
    for (const [name, gradient] of gradients) expect(gradient.data.every(Number.isFinite), name).toBe(true)
  })

  it('S6: passes clip(A (p / s) (G - sum aG), -1, 1) to P, 0 where no edge is, and clips in this fixture', async () => {
    const head = referenceSbmHeads(toDoubles(sbmValues()), released, coreMask)
    const everywhere = referenceSbmHeads(toDoubles(sbmValues()), { ...released, delta: 1 }, 'expected') // p itself: every mean mask is 1
    const weights = generated([1, 2, 4, 3], 6, 8).data
    const v = sbmValues().get('v')!.data
    const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
    const vector = (data: Float32Array, h: number, token: number): Float32Array => data.subarray((h * 4 + token) * 3, (h * 4 + token + 1) * 3)
    const unclipped = Array.from({ length: 32 }, (_, n) => {
      const [h, i, j] = [n >> 4, (n >> 2) & 3, n & 3]
      const g = numbered(4).map((key) => dot(vector(weights, h, i), vector(v, h, key)))
      const meanG = g.reduce((sum, value, key) => sum + value * head[h]!.attention[i]![key]!, 0)
      const kept = numbered(4).reduce((sum, key) => sum + everywhere[h]!.attention[i]![key]! * coreMask[i]![key]!, 0)
      return coreMask[i]![j]! * (everywhere[h]!.attention[i]![j]! / kept) * (g[j]! - meanG)
    })
    const clipped = unclipped.map((value) => Math.max(-1, Math.min(1, value)))
    const found = await gradientToProbability(released, coreMode, 8)
    expect(unclipped.filter((value) => Math.abs(value) > 1).length).toBe(17)
    expect(greatestDifference(found, clipped)).toBeLessThan(1e-5)
    expect(greatestDifference(found.subarray(0, 16), coreGolden.sbm['dP_h0'] as number[])).toBeLessThan(1e-5)
    coreMask.flat().forEach((edge, n) => {
      if (edge === 0) expect(found[n] === 0).toBe(true)
    })
  })

  it('S6: clips at the bound that is asked for', async () => {
    const [loose, tight] = [
      await gradientToProbability({ ...released, straightThroughClip: 100 }, coreMode, 8),
      await gradientToProbability({ ...released, straightThroughClip: 0.25 }, coreMode, 8),
    ]
    expect(Math.max(...loose.map(Math.abs))).toBeGreaterThan(1)
    expect([...tight]).toEqual([...loose].map((value) => Math.max(-0.25, Math.min(0.25, value))))
  })

  it('S7: samples each edge with probability clamp(P + delta), and as many edges as their sum, within 4 sigma', async () => {
    const samples = 4000
    const probability = numbered(16).map((n) => [0, 0.02, 0.1, 0.37, 0.5, 0.81, 0.97, 1][n % 8]!)
    const masks = await drawn(Array.from({ length: samples }, () => probability).flat(), [samples, 1, 4, 4], { mode: 'sample', seeds: numbered(samples, 7) }, 0.01)
    const clamped = probability.map((p) => Math.min(1, p + 0.01))
    const counts = numbered(samples).map((s) => masks.subarray(s * 16, s * 16 + 16).reduce((sum, edge) => sum + edge, 0))
    clamped.forEach((p, n) => {
      const share = numbered(samples).reduce((sum, s) => sum + masks[s * 16 + n]!, 0) / samples
      expect(Math.abs(share - p), `edge ${n}`).toBeLessThanOrEqual((5 * 0.5) / Math.sqrt(samples))
    })
    const meanCount = counts.reduce((sum, count) => sum + count, 0) / samples
    const variance = counts.reduce((sum, count) => sum + (count - meanCount) ** 2, 0) / (samples - 1)
    const expectedVariance = clamped.reduce((sum, p) => sum + p * (1 - p), 0)
    expect(Math.abs(meanCount - clamped.reduce((sum, p) => sum + p, 0))).toBeLessThan(4 * Math.sqrt(expectedVariance / samples))
    expect(Math.abs(variance - expectedVariance)).toBeLessThan(4 * expectedVariance * Math.sqrt(2 / samples))
  })

  it('S8: samples the two-block graph as Y S Z has it, .081 within and .37 across, and not a mixture of both', async () => {
    const samples = 4000
    const blocks = numbered(16).map((n) => (n >> 2 < 2 === (n & 3) < 2 ? 0.081 : 0.37))
    const loading = tf.tensor4d([1, 0, 1, 0, 0, 1, 0, 1], [1, 1, 4, 2]) // tokens 0 and 1 of the first community, 2 and 3 of the second
    const affinity = tf.tensor3d([0.081, 0.37, 0.37, 0.081], [1, 2, 2])
    const probability = [...(await edgeProbability(queryAffinity(loading, affinity), loading).data())]
    expect(greatestDifference(probability, blocks)).toBeLessThan(1e-7)
    const masks = await drawn(Array.from({ length: samples }, () => probability).flat(), [samples, 1, 4, 4], { mode: 'sample', seeds: numbered(samples) })
    const shareOf = (p: number): number => {
      const entries = masks.filter((_, n) => blocks[n % 16] === p)
      return entries.reduce((sum, edge) => sum + edge, 0) / entries.length
    }
    expect(shareOf(0.081)).toBeCloseTo(0.081, 2)
    expect(Math.abs(shareOf(0.37) - 0.37)).toBeLessThan(0.012) // 4 sigma of 32,000 draws
  })

  it('S9: passes sw A / (b n m H) of the density term to P', async () => {
    const withTerm = await gradientToProbability({ ...released, straightThroughClip: 1e6 }, coreMode, 1, 5)
    const without = await gradientToProbability({ ...released, straightThroughClip: 1e6 }, coreMode, 1, 0)
    const expected = Array.from({ length: 32 }, (_, n) => (5 * coreMask[(n >> 2) & 3]![n & 3]!) / 32)
    expect(
      greatestDifference(
        withTerm.map((value, n) => value - without[n]!),
        expected,
      ),
    ).toBeLessThan(CLOSE)
  })

  it('S11: has the same edge probabilities where the clusters are permuted', async () => {
    const values = sbmValues(3)
    const cluster = values.get('cluster')!.data
    const order = [2, 0, 1]
    const moved = Float32Array.from({ length: 18 }, (_, n) => cluster[(Math.floor(n / 9) * 3 + order[Math.floor(n / 3) % 3]!) * 3 + (n % 3)]!)
    const options = { ...released, communities: 3 }
    const [before, after] = [await run(values, options), await run(changed(values, { cluster: tensorOf(moved, [2, 3, 3]) }), options)]
    expect(greatestDifference(after.get('edgeProbability')!.data, before.get('edgeProbability')!.data)).toBeLessThan(1e-7)
    expect(greatestDifference(after.get('queryLoading')!.data, before.get('queryLoading')!.data)).toBeGreaterThan(0.01)
  })

  it('S12: has edge probabilities permuted on both sides where the tokens are permuted', async () => {
    const order = [3, 1, 0, 2]
    const moveTokens = (t: Tensor): Tensor =>
      tensorOf(
        Float32Array.from({ length: 24 }, (_, n) => t.data[(Math.floor(n / 12) * 4 + order[Math.floor(n / 3) % 4]!) * 3 + (n % 3)]!),
        t.shape,
      )
    const moved = changed(sbmValues(), Object.fromEntries(['q', 'k', 'v'].map((name) => [name, moveTokens(sbmValues().get(name)!)])))
    const [before, after] = [(await run(sbmValues())).get('edgeProbability')!.data, (await run(moved)).get('edgeProbability')!.data]
    const expected = Array.from({ length: 32 }, (_, n) => before[(n & 16) + order[(n >> 2) & 3]! * 4 + order[n & 3]!]!)
    expect(greatestDifference(after, expected)).toBeLessThan(1e-7)
  })

  it('S13: equals softmax(scores + ln Pbar) in expected mode, with Pbar = clamp(P + delta)', async () => {
    const stages = await run(sbmValues(), { ...released, delta: 0.05 }, expectedMode)
    const [scores, probability] = [stages.get('scores')!.data, stages.get('edgeProbability')!.data]
    const logits = tf.tensor(
      scores.map((score, n) => score + Math.log(Math.min(1, probability[n]! + 0.05))),
      [2, 4, 4],
    )
    expect(greatestDifference(stages.get('attention')!.data, (await tf.softmax(logits).data()) as Float32Array)).toBeLessThan(CLOSE)
  })

  it('S14: keeps all keys at rho 1, the most probable one as rho falls to 0, and ties by the lower index between', async () => {
    const rows = [0.4, 0.1, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0.1, 0.5, 0.1, 0.5, 0.001, 0.002, 0.003, 0.004]
    const topP = async (rho: number): Promise<number[]> => [...(await drawn(rows, [1, 1, 4, 4], { mode: 'topP', rho }))]
    expect(await topP(1)).toEqual(numbered(16).map(() => 1))
    expect(await topP(1e-9)).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1])
    expect(await topP(0)).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1])
    const halves = [1, 2, 3, 4].flatMap(() => [0.125, 0.5, 0.25, 0.125])
    expect([...(await drawn(halves, [1, 1, 4, 4], { mode: 'topP', rho: 0.75 }))].slice(0, 4)).toEqual([0, 1, 1, 0]) // exactly rho is enough
    expect(await topP(0.6)).toEqual([1, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 1, 0, 0, 1, 1])
  })

  it('S15: draws the same bits for a seed whether its image stands alone or among eight', async () => {
    const seeds = numbered(8, 1000)
    const probability = numbered(32).map((n) => (n + 1) / 40)
    const together = await drawn(
      seeds.flatMap(() => probability),
      [8, 2, 4, 4],
      { mode: 'sample', seeds },
    )
    for (const image of [0, 3, 7]) {
      const alone = await drawn(probability, [1, 2, 4, 4], { mode: 'sample', seeds: [seeds[image]!] })
      expect([...alone]).toEqual([...together.subarray(image * 32, image * 32 + 32)])
    }
    const masks = seeds.map((_, image) => together.subarray(image * 32, image * 32 + 32).join())
    expect(new Set(masks).size).toBe(8)
  })

  it('keeps edges from the threshold on and the most probable key of a row without any', async () => {
    const rows = [0.4, 0.1, 0.3, 0.25, 0.2, 0.2, 0.2, 0.2, 0.1, 0.5, 0.1, 0.5, 0.001, 0.002, 0.003, 0.004]
    expect([...(await drawn(rows, [1, 1, 4, 4], { mode: 'threshold', tau: 0.25 }))]).toEqual([1, 0, 1, 1, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1])
  })

  it('draws other masks in each training step and for each image, head and layer, and the same ones again for the same run', async () => {
    const half = numbered(64).map(() => 0.5)
    const draw = async (runSeed: number, step: number, layer = 0): Promise<string[]> => {
      const masks = (await drawMask(tf.tensor4d(half, [2, 2, 4, 4]), { mode: 'train-sample', runSeed, step }, layer, 0).data()) as Float32Array
      return numbered(4).map((n) => masks.subarray(n * 16, n * 16 + 16).join(''))
    }
    const all = [...(await draw(1, 0)), ...(await draw(1, 1)), ...(await draw(2, 0)), ...(await draw(1, 0, 1))]
    expect(new Set(all).size).toBe(16)
    expect(await draw(1, 0)).toEqual(all.slice(0, 4))
  })

  it('refuses seeds and fixed masks that do not fit the batch, saying both shapes', async () => {
    const half = numbered(16).map(() => 0.5)
    await expect(drawn(half, [1, 1, 4, 4], { mode: 'sample', seeds: [1, 2] })).rejects.toMatchObject({ code: 'shape-mismatch', facts: { expected: [1], actual: [2] } })
    await expect(drawn(half, [1, 1, 4, 4], { mode: 'fixed', masks: new Map() })).rejects.toMatchObject({ code: 'shape-mismatch', facts: { actual: [] } })
    const tooWide = new Map([[0, filled([1, 1, 4, 5], 1)]])
    await expect(drawn(half, [1, 1, 4, 4], { mode: 'fixed', masks: tooWide })).rejects.toMatchObject({
      code: 'shape-mismatch',
      facts: { expected: [1, 1, 4, 4], actual: [1, 1, 4, 5] },
    })
  })

  const optionCases: readonly [string, Partial<SbmOptions>, 'expected' | 'fixed'][] = [
    ['the released options, mean-field', {}, 'expected'],
    ['another delta', { delta: 0.3 }, 'expected'],
    ['the class token always on, mean-field', { classTokenAlwaysOn: true }, 'expected'],
    ['self loops, mean-field', { selfLoop: true }, 'expected'],
    ['five communities', { communities: 5 }, 'expected'],
    ['the class token always on, masked', { classTokenAlwaysOn: true }, 'fixed'],
    ['self loops, masked', { selfLoop: true }, 'fixed'],
    ['both, masked', { classTokenAlwaysOn: true, selfLoop: true, communities: 4 }, 'fixed'],
  ]

  it.each(optionCases)('meets the float64 reference with %s', async (_title, change, mode) => {
    const options = { ...released, ...change }
    const values = sbmValues(options.communities)
    const reference = referenceSbmHeads(toDoubles(values), options, mode === 'expected' ? 'expected' : coreMask)
    const stages = await run(values, options, mode === 'expected' ? expectedMode : coreMode)
    for (const [stage, pick] of [
      ['mask', (head: (typeof reference)[number]) => head.mask.flat()],
      ['edgeProbability', (head: (typeof reference)[number]) => head.probability.flat()],
      ['attention', (head: (typeof reference)[number]) => head.attention.flat()],
      ['out', (head: (typeof reference)[number]) => head.out.flat()],
    ] as const) {
      expect(greatestDifference(stages.get(stage)!.data, reference.flatMap(pick)), stage).toBeLessThan(CLOSE)
    }
    expect(Math.abs(stages.get('density')!.data[0]! - (reference[0]!.density + reference[1]!.density) / 2)).toBeLessThan(CLOSE)
  })

  it.each(optionCases.filter(([, , mode]) => mode === 'expected'))('meets finite differences of the float64 reference on every tensor with %s', async (_title, change) => {
    const options = { ...released, ...change }
    const values = sbmValues(options.communities)
    const weights = generated([1, 2, 4, 3], 6).data
    const referenceLoss = (d: Doubles): number => {
      const heads = referenceSbmHeads(d, options, 'expected')
      const out = heads.flatMap((head) => head.out.flat())
      return out.reduce((sum, value, i) => sum + value * weights[i]!, 0) + (0.5 * (heads[0]!.density + heads[1]!.density)) / 2
    }
    const { loss, gradients } = await gradientsOf(values, options, expectedMode, 1, 0.5)
    expect(Math.abs(loss - referenceLoss(toDoubles(values)))).toBeLessThan(1e-5)
    for (const [name, expected] of finiteDifferences(values, referenceLoss)) expect(greatestDifference(gradients.get(name)!.data, expected), name).toBeLessThan(1e-5)
  })

  it('passes no gradient to P on forced edges, and averages the density over the others', async () => {
    const options = { ...released, classTokenAlwaysOn: true, selfLoop: true, straightThroughClip: 1e6 }
    const found = await gradientToProbability(options, everyEdge, 1, 3)
    const isForced = (n: number): boolean => (n & 3) === 0 || ((n >> 2) & 3) === 0 || (n & 3) === ((n >> 2) & 3)
    found.forEach((value, n) => {
      expect(value === 0).toBe(isForced(n))
    })
    expect([
      freeEdgeCount(4, released),
      freeEdgeCount(4, { classTokenAlwaysOn: true, selfLoop: false }),
      freeEdgeCount(4, { classTokenAlwaysOn: false, selfLoop: true }),
      freeEdgeCount(4, options),
    ]).toEqual([16, 9, 12, 6])
  })
})
