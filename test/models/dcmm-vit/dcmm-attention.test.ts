/** DCMM attention against the golden core vectors, a float64 reference and the properties T1 to T14 of the method. */
import * as tf from '@tensorflow/tfjs'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { membershipEntropy } from '../../../models/dcmm-vit/membership.ts'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import type { StageTap } from '../../../models/layers/stages.ts'
import { DCMM_RELEASED, type DcmmOptions } from '../../../models/network-config.ts'
import { lossAndGradients, readTensors, toTfTensors, toVariables } from '../../../models/variables.ts'
import { type Tensor, tensorOf } from '../../../src/tensor/tensor.ts'
import {
  attendDcmm,
  byHead,
  changed,
  coreGolden,
  type Doubles,
  dcmmValues,
  filled,
  finiteDifferences,
  generated,
  greatestDifference,
  mean,
  referenceDcmmHeads,
  scalar,
  toDoubles,
  toQkv,
  type Values,
} from '../support/attention-case.ts'
import { TEST_BACKENDS, useBackend } from '../support/use-backend.ts'

/** Float32 of values near 1 through some ten operations; the float64 statements of the method ask 1e-12, a millionth of this in their own precision. */
const CLOSE = 2e-6

const released: DcmmOptions = { ...DCMM_RELEASED, communities: 3 }
const lossWeights = generated([1, 2, 4, 3], 6)

/** The attention's output and every stage, by name. */
async function run(values: Values, options: DcmmOptions = released, tap?: StageTap): Promise<ReadonlyMap<string, Tensor>> {
  const { out, regularizer, stages } = attendDcmm(toTfTensors(values), options, tap)
  return readTensors(new Map<string, tf.Tensor>([['out', out], ['entropy', regularizer], ...stages]))
}

async function outOf(values: Values, options: DcmmOptions = released, tap?: StageTap): Promise<Float32Array> {
  return (await run(values, options, tap)).get('out')!.data
}

/** Plain attention on the same q, k, v. */
async function plainOut(values: Values): Promise<Float32Array> {
  const t = toTfTensors(values)
  return (await byHead(plainPrimitives.attention(toQkv(t.get('q')!, t.get('k')!, t.get('v')!), 2), 2).data()) as Float32Array
}

async function gradientsOf(values: Values, options: DcmmOptions, entropyWeight = 0.1): Promise<{ loss: number; gradients: ReadonlyMap<string, Tensor> }> {
  const variables = toVariables(values)
  const weights = tf.tensor(lossWeights.data, [1, 2, 4, 3])
  const result = lossAndGradients(variables, () => {
    const { out, regularizer } = attendDcmm(variables, options)
    return tf.add(tf.sum(tf.mul(out, weights)), tf.mul(regularizer, entropyWeight))
  })
  return { loss: (await result.loss.data())[0]!, gradients: await readTensors(result.gradients) }
}

function referenceLoss(options: DcmmOptions, entropyWeight = 0.1): (d: Doubles) => number {
  return (d) => {
    const heads = referenceDcmmHeads(d, options)
    const out = heads.flatMap((head) => head.out.flat())
    return out.reduce((sum, value, i) => sum + value * lossWeights.data[i]!, 0) + entropyWeight * mean(heads.flatMap((head) => head.entropy))
  }
}

/** Rows (or rows and columns) of the last axes moved: entry i of the result is entry order[i] of the input. */
function permuted(tensor: Tensor, axis: number, order: readonly number[]): Tensor {
  const inner = tensor.shape.slice(axis + 1).reduce((a, b) => a * b, 1)
  const size = tensor.shape[axis]!
  const data = Float32Array.from({ length: tensor.data.length }, (_, n) => {
    const [outer, i, rest] = [Math.floor(n / (inner * size)), Math.floor(n / inner) % size, n % inner]
    return tensor.data[(outer * size + order[i]!) * inner + rest]!
  })
  return tensorOf(data, tensor.shape)
}

describe.each(TEST_BACKENDS)('DCMM attention on %s', (backend) => {
  beforeAll(() => useBackend(backend))

  it('meets the golden core vectors: degree, membership, bias, attention, output, loss and gradients', async () => {
    const g = coreGolden.dcmm
    const stages = await run(dcmmValues())
    const { loss, gradients } = await gradientsOf(dcmmValues(), released)
    const headZero = (name: string, size: number): Float32Array => stages.get(name)!.data.subarray(0, size)
    expect(greatestDifference(stages.get('degree')!.data, g['theta'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(headZero('membership', 12), g['z_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(headZero('bias', 16), g['bias_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(stages.get('attention')!.data, [...(g['A_h0'] as number[]), ...(g['A_h1'] as number[])])).toBeLessThan(CLOSE)
    expect(greatestDifference(stages.get('out')!.data, g['O'] as number[])).toBeLessThan(CLOSE)
    expect(Math.abs(stages.get('entropy')!.data[0]! - (g['entropy'] as number))).toBeLessThan(CLOSE)
    expect(Math.abs(loss - (g['loss'] as number))).toBeLessThan(CLOSE)
    expect(greatestDifference(gradients.get('bias_scale')!.data, [g['dlam'] as number])).toBeLessThan(CLOSE)
    expect(greatestDifference(gradients.get('block_logits')!.data.subarray(0, 9), g['dBl_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(gradients.get('degree.weight')!.data, g['dwt'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(gradients.get('membership.weight')!.data, g['dWg'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(gradients.get('q')!.data.subarray(0, 12), g['dq_h0'] as number[])).toBeLessThan(CLOSE)
  })

  it('T1: equals plain attention where lambda is 0, bit for bit', async () => {
    const values = changed(dcmmValues(), { bias_scale: scalar(0) })
    expect(await outOf(values)).toEqual(await plainOut(values))
  })

  it('T2: equals plain attention where every theta is 0, bit for bit', async () => {
    const values = changed(dcmmValues(), { 'degree.weight': filled([1, 3], 0), 'degree.bias': scalar(-1) })
    expect(await outOf(values)).toEqual(await plainOut(values))
  })

  it('T3: equals plain attention where theta and beta are constant', async () => {
    const values = changed(dcmmValues(), { 'degree.weight': filled([1, 3], 0), block_logits: filled([2, 3, 3], 0.7) })
    expect(greatestDifference(await outOf(values), await plainOut(values))).toBeLessThan(CLOSE)
  })

  it('T4: with one community equals plain attention for constant theta, and differs for varying theta', async () => {
    const values = dcmmValues(1)
    const options = { ...released, communities: 1 }
    const constant = changed(values, { 'degree.weight': filled([1, 3], 0) })
    expect(greatestDifference(await outOf(constant, options), await plainOut(constant))).toBeLessThan(CLOSE)
    expect(greatestDifference(await outOf(values, options), await plainOut(values))).toBeGreaterThan(0.01)
  })

  it('T5: gives the same output and permuted memberships where the communities are permuted', async () => {
    const values = dcmmValues()
    const order = [2, 0, 1]
    const moved = changed(values, {
      'membership.weight': permuted(values.get('membership.weight')!, 0, order),
      'membership.bias': permuted(values.get('membership.bias')!, 0, order),
      block_logits: permuted(permuted(values.get('block_logits')!, 1, order), 2, order),
    })
    const [before, after] = [await run(values), await run(moved)]
    expect(greatestDifference(after.get('out')!.data, before.get('out')!.data)).toBeLessThan(CLOSE)
    expect(greatestDifference(after.get('membership')!.data, permuted(before.get('membership')!, 3, order).data)).toBeLessThan(CLOSE)
  })

  it('T6: gives permuted outputs where the tokens are permuted', async () => {
    const values = dcmmValues()
    const order = [3, 1, 0, 2]
    const moved = changed(values, Object.fromEntries(['q', 'k', 'v'].map((name) => [name, permuted(values.get(name)!, 2, order)])))
    const [before, after] = [await run(values), await run(moved)]
    expect(greatestDifference(after.get('out')!.data, permuted(before.get('out')!, 2, order).data)).toBeLessThan(CLOSE)
  })

  it('T7: is the same for lambda / c^2 and theta times c under relu', async () => {
    const values = dcmmValues()
    const scaleBy = (name: string, factor: number): Tensor => ({ shape: values.get(name)!.shape, data: values.get(name)!.data.map((value) => value * factor) })
    const c = 3
    const scaled = changed(values, { bias_scale: scaleBy('bias_scale', 1 / c ** 2), 'degree.weight': scaleBy('degree.weight', c), 'degree.bias': scaleBy('degree.bias', c) })
    expect(greatestDifference(await outOf(scaled), await outOf(values))).toBeLessThan(CLOSE)
  })

  it('T8: is the same where any f(query) is added to the rows of the bias', async () => {
    const perRow = tf.tensor([2.5, -1, 0.3, 7], [1, 1, 4, 1])
    const tap: StageTap = (name, value) => (name === 'bias' ? tf.add(value, perRow) : value)
    expect(greatestDifference(await outOf(dcmmValues(), released, tap), await outOf(dcmmValues()))).toBeLessThan(CLOSE)
  })

  it('T9: takes tanh(B) of the two communities where memberships are one-hot', async () => {
    // Large weights make pi one-hot; with theta and lambda 1, the bias is tanh(B[c_i, c_j]) itself.
    const values = changed(dcmmValues(), {
      'membership.weight': generated([3, 3], 2.3, 2000),
      'degree.weight': filled([1, 3], 0),
      'degree.bias': scalar(1),
      bias_scale: scalar(1),
    })
    const stages = await run(values)
    const membership = stages.get('membership')!.data
    expect(new Set(membership)).toEqual(new Set([0, 1]))
    const [bias, block] = [stages.get('bias')!.data, stages.get('block')!.data]
    const communityOf = (head: number, token: number): number => membership.subarray((head * 4 + token) * 3, (head * 4 + token + 1) * 3).indexOf(1)
    const expected = Array.from({ length: 32 }, (_, n) => {
      const [head, i, j] = [n >> 4, (n >> 2) & 3, n & 3]
      return Math.tanh(block[(head * 3 + communityOf(head, i)) * 3 + communityOf(head, j)]!)
    })
    expect(new Set(expected).size).toBeGreaterThan(2)
    expect(greatestDifference(bias, expected)).toBeLessThan(CLOSE)
  })

  it('T10: keeps T in (0, 1), M below tanh 1, memberships summing to 1 and theta at least 0, whatever the queries', async () => {
    const unit = { bias_scale: scalar(1), 'degree.weight': filled([1, 3], 0), 'degree.bias': scalar(1) } // the bias is then M, or T where unbounded
    await fc.assert(
      fc.asyncProperty(fc.array(fc.double({ min: -30, max: 30, noNaN: true }), { minLength: 24, maxLength: 24 }), async (raw) => {
        const q = tensorOf(Float32Array.from(raw), [1, 2, 4, 3])
        const bounded = await run(changed(dcmmValues(), { ...unit, q }))
        const free = await run(changed(dcmmValues(), { ...unit, q }), { ...released, bounded: 'none' })
        const theta = await run(changed(dcmmValues(), { q }))
        expect(free.get('bias')!.data.every((t) => t > 0 && t < 1)).toBe(true)
        expect(bounded.get('bias')!.data.every((m) => m > 0 && m < Math.tanh(1))).toBe(true)
        const membership = bounded.get('membership')!.data
        for (let row = 0; row < membership.length; row += 3) expect(membership[row]! + membership[row + 1]! + membership[row + 2]!).toBeCloseTo(1, 5)
        expect(theta.get('degree')!.data.every((value) => value >= 0)).toBe(true)
      }),
      { numRuns: 20 },
    )
  })

  it('T11: has entropy ln K for uniform memberships, 4.60517 at K = 100, and 0 for one-hot ones', async () => {
    const entropyOf = async (values: Float32Array, communities: number): Promise<number> =>
      (await membershipEntropy(tf.tensor(values, [1, 1, values.length / communities, communities]) as tf.Tensor4D).data())[0]!
    expect(await entropyOf(new Float32Array(200).fill(0.01), 100)).toBeCloseTo(4.60517, 4)
    expect(await entropyOf(Float32Array.of(0, 1, 0, 1, 0, 0), 3)).toBeCloseTo(0, 6)
  })

  it('T12: has a symmetric bias for symmetric beta, and none for random beta', async () => {
    const asymmetry = async (values: Values, options: DcmmOptions = released): Promise<number> => {
      const bias = tf.tensor((await run(values, options)).get('bias')!.data, [2, 4, 4])
      return (await tf.max(tf.abs(tf.sub(bias, tf.transpose(bias, [0, 2, 1])))).data())[0]!
    }
    const symmetric = tensorOf(
      Float32Array.from({ length: 18 }, (_, n) => Math.sin(Math.floor(n / 3) % 3) + Math.sin(n % 3)),
      [2, 3, 3],
    )
    expect(await asymmetry(changed(dcmmValues(), { block_logits: symmetric }))).toBeLessThan(CLOSE)
    expect(await asymmetry(dcmmValues())).toBeGreaterThan(0.001)
    expect(await asymmetry(dcmmValues(), { ...released, symmetricBlock: true })).toBeLessThan(CLOSE)
  })

  it('T14: passes exactly no gradient to lambda, beta and wt where every theta is 0', async () => {
    const values = changed(dcmmValues(), { 'degree.weight': filled([1, 3], 0), 'degree.bias': scalar(-1) })
    const { gradients } = await gradientsOf(values, released)
    for (const name of ['bias_scale', 'block_logits', 'degree.weight', 'degree.bias'])
      expect(
        gradients.get(name)!.data.every((value) => value === 0),
        name,
      ).toBe(true)
    expect(gradients.get('membership.weight')!.data.some((value) => value !== 0)).toBe(true) // the entropy still moves memberships
  })

  const optionCases: readonly [string, Partial<DcmmOptions>][] = [
    ['the released options', {}],
    ['theta by sigmoid', { thetaActivation: 'sigmoid' }],
    ['theta by softplus', { thetaActivation: 'softplus' }],
    ['an unbounded affinity', { bounded: 'none' }],
    ['a symmetric block matrix', { symmetricBlock: true }],
    ['the class token excluded', { classToken: 'exclude' }],
    ['five communities', { communities: 5 }],
    ['all of them at once', { thetaActivation: 'softplus', bounded: 'none', symmetricBlock: true, classToken: 'exclude', communities: 7 }],
  ]

  it.each(optionCases)('T13: meets the float64 reference and its finite differences on every tensor with %s', async (_title, change) => {
    const options = { ...released, ...change }
    const values = dcmmValues(options.communities)
    const reference = referenceDcmmHeads(toDoubles(values), options)
    const stages = await run(values, options)
    const flat = (pick: (head: (typeof reference)[number]) => number[]): number[] => reference.flatMap(pick)
    expect(
      greatestDifference(
        stages.get('degree')!.data,
        flat((head) => head.degree),
      ),
    ).toBeLessThan(CLOSE)
    expect(
      greatestDifference(
        stages.get('block')!.data,
        flat((head) => head.block.flat()),
      ),
    ).toBeLessThan(CLOSE)
    expect(
      greatestDifference(
        stages.get('bias')!.data,
        flat((head) => head.bias.flat()),
      ),
    ).toBeLessThan(2 * CLOSE)
    expect(
      greatestDifference(
        stages.get('attention')!.data,
        flat((head) => head.attention.flat()),
      ),
    ).toBeLessThan(CLOSE)
    expect(
      greatestDifference(
        stages.get('out')!.data,
        flat((head) => head.out.flat()),
      ),
    ).toBeLessThan(CLOSE)

    const { loss, gradients } = await gradientsOf(values, options)
    const differences = finiteDifferences(values, referenceLoss(options))
    expect(Math.abs(loss - referenceLoss(options)(toDoubles(values)))).toBeLessThan(1e-5)
    for (const [name, expected] of differences) expect(greatestDifference(gradients.get(name)!.data, expected), name).toBeLessThan(1e-5)
  })

  it('turns the bias of the class token off where it is excluded, in its row and its column and nowhere else', async () => {
    const withClass = (await run(dcmmValues(), { ...released, thetaActivation: 'softplus' })).get('bias')!.data
    const without = (await run(dcmmValues(), { ...released, thetaActivation: 'softplus', classToken: 'exclude' })).get('bias')!.data
    without.forEach((value, n) => {
      const ofClassToken = (n & 3) === 0 || ((n >> 2) & 3) === 0
      expect(value).toBe(ofClassToken ? 0 : withClass[n])
    })
    expect(withClass.every((value) => value > 0)).toBe(true)
  })

  it('gives the primitive the same numbers as the stages written out', async () => {
    const values = toTfTensors(dcmmValues())
    const { out, stages } = attendDcmm(values, released)
    const [membership, block, degree] = [stages.get('membership') as tf.Tensor4D, stages.get('block') as tf.Tensor3D, stages.get('degree') as tf.Tensor3D]
    const qkv = toQkv(values.get('q')!, values.get('k')!, values.get('v')!)
    const fused = plainPrimitives.dcmmAttention(qkv, 2, { membership, block, degree, biasScale: tf.tensor1d([0.5]), bounded: 'tanh' })
    expect(await byHead(fused, 2).data()).toEqual(await out.data())
  })
})
