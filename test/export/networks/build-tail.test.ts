import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildTail } from '../../../export/networks/build-tail.ts'
import { encodeModel } from '../../../export/onnx/encode-model.ts'
import type { NetworkConfig } from '../../../models/network-config.ts'
import type { RunTail, TailAnswer } from '../../../src/domain/outputs.ts'
import { type Bundle, openBundle } from '../../../src/infer/load-bundle.ts'
import { nodeRuntime } from '../../../src/infer/node-runtime.ts'
import type { Session } from '../../../src/infer/runtime.ts'
import { createTailRunner } from '../../../src/infer/tail-runner.ts'
import { at, type Tensor, tensorOf } from '../../../src/tensor/tensor.ts'
import { excess, loadGolden } from '../../models/support/golden.ts'
import { goldenBundle, goldenInput } from '../../support/golden-bundle.ts'

const firstRows = ({ shape, data }: Tensor): Tensor => {
  const [heads = 0, tokens = 0] = shape
  const rows = Array.from({ length: heads }, (_, head) => [...data.subarray(head * tokens * tokens, head * tokens * tokens + tokens)]).flat()
  return tensorOf(Float32Array.from(rows), [heads, tokens])
}
const repeated = (tensor: Tensor, rows: number): Tensor => tensorOf(Float32Array.from(Array.from({ length: rows }, () => [...tensor.data]).flat()), [rows, ...tensor.shape])
const ones = (shape: readonly number[]): Tensor => tensorOf(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape)

/** Nodes and weights of the 64-point Gauss-Legendre rule on [0, 1], from Newton's iteration on the Legendre polynomial. */
const gaussLegendre = (points: number): [number, number][] =>
  Array.from({ length: points }, (_, i) => {
    let x = Math.cos((Math.PI * (i + 0.75)) / (points + 0.5))
    let slope = 1
    for (let step = 0; step < 50; step++) {
      let [previous, current] = [1, x]
      for (let n = 2; n <= points; n++) [previous, current] = [current, ((2 * n - 1) * x * current - (n - 1) * previous) / n]
      slope = (points * (x * current - previous)) / (x * x - 1)
      x -= current / slope
    }
    return [(1 - x) / 2, 1 / ((1 - x * x) * slope * slope)]
  })

/** Softmax of scores + alpha bias, in float64. */
const attentionOf = (scores: Tensor, bias: Tensor, alpha: number): number[] => {
  const [heads = 0, tokens = 0] = scores.shape
  return Array.from({ length: heads }, (_, head) => {
    const row = Array.from({ length: tokens }, (_, j) => scores.data[head * tokens + j]! + alpha * bias.data[head * tokens + j]!)
    const top = Math.max(...row)
    const weights = row.map((value) => Math.exp(value - top))
    const sum = weights.reduce((a, b) => a + b, 0)
    return weights.map((weight) => weight / sum)
  }).flat()
}

describe.each(['dcmm', 'dcmm-all', 'sbm-expected'] as const)("the tail of golden network %s, started from the graph's own outputs", (name) => {
  const golden = loadGolden(name)
  const structure = name === 'sbm-expected' ? 'mask' : 'bias'
  let bundle: Bundle

  beforeAll(async () => {
    bundle = await openBundle(goldenBundle(golden))
  })
  afterAll(() => bundle.release())

  const study = async (image: number): Promise<{ tail: RunTail; scores: Tensor; bias: Tensor; logits: Tensor }> => {
    const outputs = await bundle.run(goldenInput(golden, image), { outputs: ['scores', 'values', 'residual', structure], withoutStructure: false, seed: 0, samples: 0 })
    const all = outputs.asTrained[structure]!
    const last = firstRows(at(all, all.shape[0]! - 1))
    const bias = structure === 'mask' ? tensorOf(last.data.map(Math.log), last.shape) : last
    return { tail: bundle.tailFor(outputs)!, scores: firstRows(outputs.asTrained.scores!), bias, logits: outputs.asTrained.logits! }
  }
  const ask = ({ tail, bias }: { tail: RunTail; bias: Tensor }, alpha: number[], direction: Tensor): Promise<TailAnswer> =>
    tail({ alpha: Float32Array.from(alpha), bias: repeated(bias, alpha.length), keep: ones([alpha.length, ...bias.shape]), direction })
  const { classes } = golden.config
  const ofClass = (index: number, rows: number): Tensor =>
    repeated(
      tensorOf(
        Float32Array.from({ length: classes }, (_, i) => (i === index ? 1 : 0)),
        [classes],
      ),
      rows,
    )

  it.each([0, 1])('meets the logits with and without the last structure, and the gradient of attention, for image %i', async (image) => {
    const state = await study(image)
    const { logits, gradient } = await ask(state, [1, 0], ofClass(0, 1))
    const tolerance = { absolute: 2e-5, relative: 1e-4 }
    expect(excess(at(logits, 0), state.logits, tolerance)).toBeLessThanOrEqual(1)
    expect(excess(at(logits, 1), at(golden.expected.get('explain.logitsWithoutStructureInLastLayer')!, image), tolerance)).toBeLessThanOrEqual(1)
    expect(gradient.shape).toEqual([1, ...state.bias.shape])
    const expected = at(golden.expected.get('explain.gradAttention')!, image)
    for (let index = 0; index < classes; index++) {
      const of = await ask(state, [1, 1], ofClass(index, 2))
      for (const row of [0, 1]) expect(excess(at(of.gradient, row), at(expected, index), tolerance)).toBeLessThanOrEqual(1)
    }
  })

  it('gives the gradient of any sum of logits, and the same bits of a row whatever other rows are asked', async () => {
    const state = await study(0)
    const sum = await ask(state, [0.5], tensorOf(Float32Array.of(1, -2, 0.5), [1, classes]))
    const parts = [0, 1, 2].map(async (index) => (await ask(state, [0.5], ofClass(index, 1))).gradient.data)
    const [a, b, c] = await Promise.all(parts)
    sum.gradient.data.forEach((value, i) => {
      expect(Math.abs(value - (a![i]! - 2 * b![i]! + 0.5 * c![i]!))).toBeLessThan(1e-6)
    })
    const among = await ask(state, [0.5, 0.25, 1, 0, 0.75], ofClass(1, 3))
    expect([...at(among.gradient, 0).data]).toEqual([...b!])
  })

  it('refuses gradients of more rows than there are, and of none', async () => {
    const state = await study(0)
    for (const rows of [0, 3]) await expect(ask(state, [1, 0], ofClass(0, rows))).rejects.toMatchObject({ code: 'shape-mismatch' })
  })

  it('integrates to the golden structure attribution, whose sum is what the structure changed', async () => {
    const state = await study(0)
    const rule = gaussLegendre(64)
    const alphas = rule.map(([alpha]) => alpha)
    const gradients = await Promise.all(Array.from({ length: classes }, async (_, index) => (await ask(state, alphas, ofClass(index, alphas.length))).gradient))
    const [heads = 0, tokens = 0] = state.bias.shape
    const sum = new Float64Array(classes * heads * tokens)
    rule.forEach(([alpha, weight], node) => {
      const attention = attentionOf(state.scores, state.bias, alpha)
      for (let c = 0; c < classes; c++) {
        for (let head = 0; head < heads; head++) {
          const g = (j: number): number => gradients[c]!.data[(node * heads + head) * tokens + j]!
          const a = (j: number): number => attention[head * tokens + j]!
          const mean = Array.from({ length: tokens }, (_, j) => a(j) * g(j)).reduce((x, y) => x + y, 0)
          for (let j = 0; j < tokens; j++) sum[(c * heads + head) * tokens + j]! += weight * a(j) * (g(j) - mean) * state.bias.data[head * tokens + j]!
        }
      }
    })
    const attribution = tensorOf(Float32Array.from(sum), [classes, heads, tokens])
    expect(excess(attribution, at(golden.expected.get('explain.structureAttribution')!, 0), { absolute: 2e-5, relative: 1e-4 })).toBeLessThanOrEqual(1)
  })

  it('drops a key by keep: its weight is gone and the rest is renormalized', async () => {
    const { tail, bias, scores } = await study(0)
    const [heads = 0, tokens = 0] = bias.shape
    const keep = ones([1, heads, tokens])
    const far = tensorOf(bias.data.slice(), bias.shape)
    for (let head = 0; head < heads; head++) for (const j of [2, 5]) keep.data[head * tokens + j] = 0
    for (let head = 0; head < heads; head++) for (const j of [2, 5]) far.data[head * tokens + j] = -1e4 - scores.data[head * tokens + j]!
    const alpha = Float32Array.of(1)
    const dropped = await tail({ alpha, bias: repeated(bias, 1), keep, direction: null })
    const pushedAway = await tail({ alpha, bias: repeated(far, 1), keep: ones([1, heads, tokens]), direction: null })
    expect(excess(dropped.logits, pushedAway.logits, { absolute: 1e-6, relative: 1e-6 })).toBeLessThanOrEqual(1)
  })

  it('differs between two images: no gradient is frozen into the graph', async () => {
    const [first, second] = [await ask(await study(0), [1], ofClass(0, 1)), await ask(await study(1), [1], ofClass(0, 1))]
    expect(first.gradient.data).not.toEqual(second.gradient.data)
  })

  it('refuses a change of another shape', async () => {
    const { tail, bias } = await study(0)
    await expect(tail({ alpha: Float32Array.of(1, 2), bias: repeated(bias, 1), keep: ones([2, ...bias.shape]), direction: null })).rejects.toMatchObject({ code: 'shape-mismatch' })
  })
})

/** golden_tail.json: one block given by formulas, answers in float64 and checked against finite differences. */
describe('the tail of the hand-made block', () => {
  const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../../golden/golden_tail.json'), 'utf8'))
  const gen = (shape: number[], s: number, a: number): Tensor =>
    tensorOf(
      Float32Array.from({ length: shape.reduce((x, y) => x * y, 1) }, (_, i) => a * Math.sin(0.37 * i + s)),
      shape,
    )
  const onePlus = ({ data, shape }: Tensor): Tensor =>
    tensorOf(
      data.map((value) => 1 + value),
      shape,
    )
  const [N, D, H, C] = [5, 6, 2, 3]
  const config: NetworkConfig = {
    network: 'vit',
    imageSize: 4,
    channels: 1,
    patchSize: 2,
    patchOverlap: 0,
    width: D,
    depth: 1,
    heads: H,
    mlpRatio: 2,
    classes: C,
    layerNormEps: 1e-6,
    structuredLayers: [],
    dcmm: null,
    sbm: null,
  }
  const weights = new Map<string, Tensor>([
    ['blocks.0.norm2.weight', onePlus(gen([D], 0.4, 0.3))],
    ['blocks.0.norm2.bias', gen([D], 0.5, 0.1)],
    ['norm.weight', onePlus(gen([D], 0.6, 0.3))],
    ['norm.bias', gen([D], 0.7, 0.1)],
    ['blocks.0.attn.proj.weight', gen([D, D], 1, 0.5)],
    ['blocks.0.attn.proj.bias', gen([D], 1.1, 0.1)],
    ['blocks.0.mlp.fc1.weight', gen([2 * D, D], 1.2, 0.5)],
    ['blocks.0.mlp.fc1.bias', gen([2 * D], 1.3, 0.1)],
    ['blocks.0.mlp.fc2.weight', gen([D, 2 * D], 1.4, 0.5)],
    ['blocks.0.mlp.fc2.bias', gen([D], 1.5, 0.1)],
    ['head.weight', gen([C, D], 1.6, 0.7)],
    ['head.bias', gen([C], 1.7, 0.1)],
  ])
  /** v of the block, [head, token, headWidth], from x by the file's formulas. */
  const values = (): Tensor => {
    const x = gen([N, D], 0.1, 1)
    const [gamma, beta] = [onePlus(gen([D], 0.2, 0.3)), gen([D], 0.3, 0.1)]
    const [w, b] = [gen([3 * D, D], 0.8, 0.6), gen([3 * D], 0.9, 0.2)]
    const out = new Float32Array(N * D)
    for (let token = 0; token < N; token++) {
      const row = [...x.data.subarray(token * D, (token + 1) * D)]
      const mean = row.reduce((p, q) => p + q, 0) / D
      const deviation = Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / D + 1e-6)
      const normed = row.map((value, i) => ((value - mean) / deviation) * gamma.data[i]! + beta.data[i]!)
      for (let unit = 0; unit < D; unit++) {
        const value = normed.reduce((sum, entry, i) => sum + entry * w.data[(2 * D + unit) * D + i]!, b.data[2 * D + unit]!)
        const head = Math.floor(unit / (D / H))
        out[(head * N + token) * (D / H) + (unit % (D / H))] = value
      }
    }
    return tensorOf(out, [H, N, D / H])
  }
  const flat = (nested: unknown): number[] => (nested as number[]).flat(9) as number[]
  let session: Session
  let tail: RunTail

  beforeAll(async () => {
    session = await nodeRuntime.open(encodeModel(buildTail(config, weights)))
    const classRow = flat(golden['S_cls'])
    const scores = new Float32Array(H * N * N)
    for (let head = 0; head < H; head++) scores.set(classRow.slice(head * N, (head + 1) * N), head * N * N)
    const residual = tensorOf(gen([N, D], 0.1, 1).data.slice(0, D), [D])
    tail = createTailRunner({ whole: session, logits: session }, { asTrained: { scores: tensorOf(scores, [H, N, N]), values: values(), residual }, withoutStructure: null })!
  })
  afterAll(() => session.release())

  const bias = tensorOf(
    Float32Array.from(flat(golden['P_cls']), (p) => 0.8 * p),
    [H, N],
  )
  const near = (actual: Float32Array, expected: number[]): void => {
    expect(actual).toHaveLength(expected.length)
    expected.forEach((value, i) => {
      expect(actual[i]).toBeCloseTo(value, 5)
    })
  }

  it('meets logits with lambda and with lambda 0, and the gradient', async () => {
    const each = tensorOf(
      Float32Array.from({ length: C * C }, (_, i) => (i % (C + 1) === 0 ? 1 : 0)),
      [C, C],
    )
    const { logits, gradient } = await tail({ alpha: Float32Array.of(1, 1, 1, 0), bias: repeated(bias, 4), keep: ones([4, H, N]), direction: each })
    near(logits.data, [...golden.logits, ...golden.logits, ...golden.logits, ...golden['logits_lambda0']])
    near(gradient.data, flat(golden['G[class][head][token]']))
  })

  it('meets the knock-out of each token, and the class token alone', async () => {
    const rows = N
    const keep = ones([rows, H, N])
    for (let token = 1; token < N; token++) for (let head = 0; head < H; head++) keep.data[((token - 1) * H + head) * N + token] = 0
    for (let head = 0; head < H; head++) for (let token = 1; token < N; token++) keep.data[((rows - 1) * H + head) * N + token] = 0
    const { logits } = await tail({ alpha: new Float32Array(rows).fill(1), bias: repeated(bias, rows), keep, direction: ones([1, C]) })
    const drops = flat(golden['knockout_logit_drop[token 1..4][class]'])
    near(logits.data, [...drops.map((drop, i) => golden.logits[i % C] - drop), ...golden['logits_cls_only']])
  })
})
