/** Every network and option against TF.js, stage by stage. */
import { beforeAll, describe, expect, it } from 'vitest'
import { buildGraphs } from '../../export/build-graphs.ts'
import { type MaskChoice, PARITY_BOUND } from '../../export/build-manifest.ts'
import { assertParity, compareTensors, compareWithReference } from '../../export/parity.ts'
import { randomInput, syntheticInput } from '../../export/parity-inputs.ts'
import { compareTail } from '../../export/tail-parity.ts'
import { initialWeights } from '../../models/initial-weights.ts'
import { plainPrimitives } from '../../models/layers/plain-primitives.ts'
import { DCMM_RELEASED, type DcmmOptions, type NetworkConfig, SBM_RELEASED, type SbmOptions } from '../../models/network-config.ts'
import { nodeRuntime } from '../../src/infer/node-runtime.ts'
import { normalAt } from '../../src/tensor/counter-random.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { useBackend } from '../models/support/use-backend.ts'

const plain: NetworkConfig = {
  network: 'vit',
  imageSize: 20,
  channels: 1,
  patchSize: 5,
  patchOverlap: 0,
  width: 24,
  depth: 3,
  heads: 3,
  mlpRatio: 2,
  classes: 4,
  layerNormEps: 1e-6,
  structuredLayers: [],
  dcmm: null,
  sbm: null,
}
const dcmm = (options: Partial<DcmmOptions>, structuredLayers: number[] = [2]): NetworkConfig => ({
  ...plain,
  network: 'dcmm-vit',
  structuredLayers,
  dcmm: { ...DCMM_RELEASED, communities: 6, thetaActivation: 'softplus', ...options },
})
const sbm = (options: Partial<SbmOptions>, structuredLayers: number[] = [0, 1, 2]): NetworkConfig => ({
  ...plain,
  network: 'sbm-vit',
  structuredLayers,
  sbm: { ...SBM_RELEASED, communities: 5, ...options },
})

const cases: [string, NetworkConfig, MaskChoice?][] = [
  ['a plain ViT', plain],
  ['patches that overlap, three channels', { ...plain, patchOverlap: 2, channels: 3 }],
  ['one layer, one head', { ...plain, depth: 1, heads: 1 }],
  ['DCMM in the first layer alone', dcmm({}, [0])],
  ['DCMM in two layers of three', dcmm({}, [0, 2])],
  ['DCMM in all layers', dcmm({}, [0, 1, 2])],
  ['DCMM with relu degrees', dcmm({ thetaActivation: 'relu', initialDegreeBias: 1 })],
  ['DCMM with sigmoid degrees', dcmm({ thetaActivation: 'sigmoid' })],
  ['DCMM unbounded', dcmm({ bounded: 'none' })],
  ['DCMM with a symmetric block', dcmm({ symmetricBlock: true })],
  ['DCMM without the class token', dcmm({ classToken: 'exclude' }, [1, 2])],
  ['SBM mean-field', sbm({})],
  ['SBM in the last layer alone', sbm({}, [2])],
  ['SBM without forced entries', sbm({ classTokenAlwaysOn: false })],
  ['SBM with self loops', sbm({ selfLoop: true })],
  ['SBM with a large floor', sbm({ delta: 0.2 })],
  ['SBM with masks drawn', sbm({}), { mode: 'sample' }],
  ['SBM with masks drawn, nothing forced', sbm({ classTokenAlwaysOn: false, delta: 0 }), { mode: 'sample' }],
  ['SBM with a threshold', sbm({}), { mode: 'threshold', tau: 0.25 }],
  ['SBM with the top of each row', sbm({}), { mode: 'topP', rho: 0.7 }],
]

/** Weights with some spread: those of an untrained network leave every bias near 0 and every attention near uniform. */
const livelyWeights = (config: NetworkConfig): ReadonlyMap<string, Tensor> =>
  new Map(
    [...initialWeights(config, 3)].map(([name, { shape, data }], w) => [
      name,
      tensorOf(
        data.map((value, i) => value + 0.15 * normalAt(w, i)),
        shape,
      ),
    ]),
  )

beforeAll(() => useBackend('wasm'))

describe.each(cases)('the graph of %s', (_, config, mask = { mode: 'expected' }) => {
  it('agrees with TF.js at every stage that it declares', async () => {
    const weights = livelyWeights(config)
    const graphs = buildGraphs(config, weights, 'function', mask)
    const session = await nodeRuntime.open(graphs.graph)
    const tail = await nodeRuntime.open(graphs.tail)
    const inputs = [randomInput(config, 2), syntheticInput(config, 2)]
    const reports = [
      ...(await compareWithReference({ config, weights, mask, primitives: plainPrimitives }, session, inputs, PARITY_BOUND)),
      ...(await compareTail(config, session, tail, inputs, PARITY_BOUND)),
    ]
    await session.release()
    await tail.release()
    expect(() => assertParity(reports, PARITY_BOUND)).not.toThrow()
    const compared = new Set(reports.flatMap(({ stages }) => stages.map(({ stage }) => stage)))
    const declared = session.outputNames.filter((name) => !['values', 'residual'].includes(name))
    expect(declared.filter((name) => !compared.has(name))).toEqual([])
  })
})

describe('compareTensors', () => {
  const bound = { absolute: 0.1, relative: 0.01 }
  const tensor = (...values: number[]): Tensor => tensorOf(Float32Array.from(values), [values.length])

  it('gives the largest difference, and the worst share of what is allowed there', () => {
    // Differences 0.05 of 0.1 + 0.01 x 0 allowed, and 1 of 0.1 + 0.01 x 100 allowed.
    const { largestDifference, worst, values } = compareTensors('s', tensor(0.05, 101), tensor(0, 100), bound)
    expect(largestDifference).toBeCloseTo(1, 5)
    expect(worst).toBeCloseTo(1 / 1.1, 5)
    expect(values).toBe(2)
  })

  it.each([
    ['a NaN', tensor(0, Number.NaN)],
    ['another shape', tensor(0)],
    ['nothing', undefined],
  ])('finds %s infinitely far', (_, actual) => {
    expect(compareTensors('s', actual, tensor(0, 0), bound)).toMatchObject({ worst: Number.POSITIVE_INFINITY, largestDifference: Number.POSITIVE_INFINITY })
  })
})
