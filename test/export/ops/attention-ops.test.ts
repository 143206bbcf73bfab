/** One list of cases an operation, against each of its three implementations: the TF.js layer, the ONNX function, and its body written out. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { DCMM_INPUTS, DCMM_OUTPUTS, dcmmAttentionFunction, dcmmAttentionNode } from '../../../export/ops/degree-corrected-mixed-membership-attention.ts'
import { SBM_INPUTS, SBM_OUTPUTS, sbmAttentionFunction, sbmAttentionNode } from '../../../export/ops/stochastic-block-attention.ts'
import { dcmmAttention } from '../../../models/dcmm-vit/dcmm-attention.ts'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import { stageRecorder } from '../../../models/layers/stages.ts'
import { DCMM_RELEASED, SBM_RELEASED } from '../../../models/network-config.ts'
import type { SbmMask } from '../../../models/sbm-vit/mask-mode.ts'
import { sbmAttention } from '../../../models/sbm-vit/sbm-attention.ts'
import { readTensors } from '../../../models/variables.ts'
import type { Feed, Session } from '../../../src/infer/runtime.ts'
import { type Tensor, tensorOf } from '../../../src/tensor/tensor.ts'
import { DCMM_CASES, type DcmmCase } from '../../cases/degree-corrected-mixed-membership-attention.ts'
import { SBM_CASE_LAYER, SBM_CASES, type SbmCase } from '../../cases/stochastic-block-attention.ts'
import { excess } from '../../models/support/golden.ts'
import { useBackend } from '../../models/support/use-backend.ts'
import { OP_FORMS, type OpForm, openOp, opModel } from '../support/op-graph.ts'

type Outputs = ReadonlyMap<string, Tensor>
const IMPLEMENTATIONS = ['the TF.js layer', ...OP_FORMS] as const

const ranksOf = (tensors: Readonly<Record<string, Tensor>>): Record<string, number> => Object.fromEntries(Object.entries(tensors).map(([name, { shape }]) => [name, shape.length]))
const feedsOf = (inputs: Readonly<Record<string, Tensor>>): Record<string, Feed> =>
  Object.fromEntries(Object.entries(inputs).map(([name, { shape, data }]) => [name, { type: 'float32' as const, data, shape }]))

const runSession = async (session: Session, inputs: Readonly<Record<string, Tensor>>): Promise<Outputs> => {
  const results = await session.run(feedsOf(inputs), session.outputNames)
  await session.release()
  return results
}
const runDcmm = async (spec: DcmmCase, form: OpForm): Promise<Outputs> => {
  const node = dcmmAttentionNode(DCMM_INPUTS, DCMM_OUTPUTS, spec.inputs['query']!.shape[3]! ** -0.5, spec.formula)
  return runSession(await openOp(opModel(node, dcmmAttentionFunction(spec.formula), { ...ranksOf(spec.inputs), ...ranksOf(spec.expected) }), form), spec.inputs)
}
const runSbm = async (spec: SbmCase, form: OpForm): Promise<Outputs> => {
  const node = sbmAttentionNode(SBM_INPUTS, SBM_OUTPUTS, spec.inputs['query']!.shape[3]! ** -0.5, spec.formula, spec.rule)
  return runSession(await openOp(opModel(node, sbmAttentionFunction(spec.formula, spec.rule), { ...ranksOf(spec.inputs), ...ranksOf(spec.expected) }), form), spec.inputs)
}

const tensor = ({ shape, data }: Tensor): tf.Tensor => tf.tensor(data, [...shape])
/** q, k and v as the layers take them: [batch, token, 3 width], heads inside each. */
const qkvOf = (inputs: Readonly<Record<string, Tensor>>): tf.Tensor3D => {
  const joined = ['query', 'key', 'value'].map((name) => {
    const [b, h, n, d] = inputs[name]!.shape as [number, number, number, number]
    return tf.reshape(tf.transpose(tensor(inputs[name]!), [0, 2, 1, 3]), [b, n, h * d])
  })
  return tf.concat(joined, 2) as tf.Tensor3D
}
/** A layer's joined output by heads again. */
const byHead = (attended: tf.Tensor3D, heads: number): tf.Tensor => {
  const [b, n, width] = attended.shape
  return tf.transpose(tf.reshape(attended, [b, n, heads, width / heads]), [0, 2, 1, 3])
}
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const dcmmLayer = async ({ inputs, formula }: DcmmCase): Promise<Outputs> => {
  const weight = (name: string): tf.Tensor => {
    const [part = '', kind] = name.split('.')
    return kind === 'weight' ? tf.transpose(tensor(inputs[`${part}_weight`]!)) : tensor(inputs[kind === undefined ? part : `${part}_${kind}`]!)
  }
  const stages = new Map<string, tf.Tensor>()
  const heads = inputs['query']!.shape[1]!
  const { attended } = dcmmAttention(qkvOf(inputs), heads, { ...DCMM_RELEASED, ...formula }, weight, plainPrimitives, stageRecorder(stages, undefined))
  return readTensors(new Map([...stages, ['output', byHead(attended, heads)]]))
}
const sbmLayer = async (spec: SbmCase): Promise<Outputs> => {
  const { inputs, formula } = spec
  const weight = (name: string): tf.Tensor => {
    const [, network = '', kind = ''] = name.split('.')
    if (name === 'cluster') return tensor(inputs['cluster']!)
    return kind === 'weight' ? tf.transpose(tensor(inputs[`${network}_weight`]!)) : tensor(inputs[`${network}_${kind}`]!)
  }
  const stages = new Map<string, tf.Tensor>()
  const heads = inputs['query']!.shape[1]!
  const attention = { heads, layer: SBM_CASE_LAYER, structuredLayers: 1, options: { ...SBM_RELEASED, ...formula }, mask: maskOf(spec) }
  const { attended } = sbmAttention(qkvOf(inputs), attention, weight, plainPrimitives, stageRecorder(stages, undefined))
  const seen = [...stages].filter(([name]) => name !== 'bias').map(([name, value]): [string, tf.Tensor] => [snake(name), value])
  return readTensors(new Map([...seen, ['output', byHead(attended, heads)]]))
}
const maskOf = ({ inputs, rule, seeds, expected }: SbmCase): SbmMask => {
  if (seeds !== null) return { mode: 'sample', seeds }
  // A layer takes a mask where the operation takes the uniforms that make it.
  return inputs['sampled']!.data[0] === 1 ? { mode: 'fixed', masks: new Map([[SBM_CASE_LAYER, expected['mask']!]]) } : rule
}

/** Why an implementation can't take a case. */
const refusal = (implementation: string, inputs: Readonly<Record<string, Tensor>>): string =>
  implementation === 'the TF.js layer' && inputs['structure']!.data.includes(0) ? ' (not taken: a network without structure is built of plain layers, it has no switch inside)' : ''

const misses = (actual: Outputs, { expected, tolerance }: Pick<DcmmCase, 'expected' | 'tolerance'>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(expected).flatMap(([name, value]) => (excess(actual.get(name)!, value, tolerance) <= 1 ? [] : [[name, excess(actual.get(name)!, value, tolerance)]])),
  )

beforeAll(() => useBackend('cpu'))

describe.each(DCMM_CASES)('DegreeCorrectedMixedMembershipAttention: $case ($because)', (spec) => {
  for (const implementation of IMPLEMENTATIONS) {
    const why = refusal(implementation, spec.inputs)
    it.skipIf(why !== '')(`meets the float64 reference as ${implementation}${why}`, async () => {
      expect(misses(implementation === 'the TF.js layer' ? await dcmmLayer(spec) : await runDcmm(spec, implementation), spec)).toEqual({})
    })
  }

  it('gives the same bits in both forms', async () => {
    expect(await runDcmm(spec, 'written out')).toEqual(await runDcmm(spec, 'function'))
  })
})

describe.each(SBM_CASES)('StochasticBlockAttention: $case ($because)', (spec) => {
  for (const implementation of IMPLEMENTATIONS) {
    const why = refusal(implementation, spec.inputs)
    it.skipIf(why !== '')(`meets the float64 reference as ${implementation}${why}`, async () => {
      expect(misses(implementation === 'the TF.js layer' ? await sbmLayer(spec) : await runSbm(spec, implementation), spec)).toEqual({})
    })
  }

  it('gives the same bits in both forms', async () => {
    expect(await runSbm(spec, 'written out')).toEqual(await runSbm(spec, 'function'))
  })
})

/** The references of the case files against numbers that PyTorch computed in float64. */
describe("the cases' own reference", () => {
  const { dcmm, sbm } = JSON.parse(readFileSync(join(import.meta.dirname, '../../golden/golden_dcmm_sbm.json'), 'utf8')) as Record<'dcmm' | 'sbm', Record<string, number[]>>
  const near = (actual: Float32Array, expected: number[]): void => {
    expect(actual).toHaveLength(expected.length)
    expected.forEach((value, i) => {
      expect(actual[i]).toBeCloseTo(value, 6)
    })
  }
  const head0 = (value: Tensor, size: number): Float32Array => tensorOf(value.data.slice(0, size), [size]).data

  it('meets the DCMM block', () => {
    const { expected } = DCMM_CASES[0]!
    near(expected['degree']!.data, dcmm['theta']!)
    near(head0(expected['membership']!, 12), dcmm['z_h0']!)
    near(head0(expected['bias']!, 16), dcmm['bias_h0']!)
    near(expected['attention']!.data, [...dcmm['A_h0']!, ...dcmm['A_h1']!])
    near(expected['output']!.data, dcmm['O']!)
  })

  it('meets the SBM block, mean-field and under the given mask', () => {
    const [meanField, masked] = [SBM_CASES[0]!.expected, SBM_CASES[1]!.expected]
    near(meanField['affinity']!.data, sbm['S']!)
    near(head0(meanField['query_loading']!, 8), sbm['Y_h0']!)
    near(head0(meanField['key_loading']!, 8), sbm['Z_h0']!)
    near(head0(meanField['edge_probability']!, 16), sbm['P_h0']!)
    near(head0(meanField['attention']!, 16), sbm['a_exp_h0']!)
    near(head0(masked['attention']!, 16), sbm['a_h0']!)
    near(masked['output']!.data, sbm['O']!)
  })
})
