/** Functions written out, against ONNX Runtime's own inlining of the same file: what each feature of FunctionProto means. */
import { describe, expect, it } from 'vitest'
import { encodeModel } from '../../export/onnx/encode-model.ts'
import { float, int, NodeList } from '../../export/onnx/node-list.ts'
import type { OnnxAttributes, OnnxFunction, OnnxModel, OnnxNode } from '../../export/onnx/onnx-model.ts'
import { COMMUNITY_DOMAIN } from '../../export/ops/domain.ts'
import { checkGraph } from '../../src/infer/check-graph.ts'
import { inlineFunctions } from '../../src/infer/inline-functions.ts'
import { nodeRuntime } from '../../src/infer/node-runtime.ts'

const functionOf = (name: string, inputs: string[], body: (nodes: NodeList) => void, attributes: { required?: string[]; defaults?: OnnxAttributes } = {}): OnnxFunction => {
  const nodes = new NodeList('')
  body(nodes)
  return { domain: COMMUNITY_DOMAIN, name, inputs, outputs: ['y'], required: attributes.required ?? [], defaults: attributes.defaults ?? {}, nodes: nodes.nodes, doc: '' }
}
const call = (name: string, inputs: string[], output: string, attributes: OnnxAttributes = {}): OnnxNode => ({
  type: name,
  domain: COMMUNITY_DOMAIN,
  inputs,
  outputs: [output],
  attributes,
})
const modelOf = (nodes: OnnxNode[], functions: OnnxFunction[]): OnnxModel => ({
  ir: 9,
  operatorSets: [
    { domain: '', version: 20 },
    { domain: COMMUNITY_DOMAIN, version: 1 },
  ],
  producer: 'test',
  functions,
  metadata: {},
  graph: { name: 'g', nodes, initializers: [], inputs: [{ name: 'x', type: 'float', axes: [4] }], outputs: [{ name: 'out', type: 'float', axes: [4] }] },
})
const both = async (model: OnnxModel): Promise<[number[], number[]]> => {
  const bytes = encodeModel(model)
  const run = async (graph: Uint8Array): Promise<number[]> => {
    const session = await nodeRuntime.open(graph)
    const results = await session.run({ x: { type: 'float32', data: Float32Array.of(-2, -1, 1, 2), shape: [4] } }, ['out'])
    await session.release()
    return [...results.get('out')!.data]
  }
  const written = inlineFunctions(checkGraph(bytes))
  expect(Buffer.from(written).includes(COMMUNITY_DOMAIN)).toBe(false)
  return [await run(written), await run(bytes)]
}

// The checker knows three names; what the bodies compute is free here.
const [A, B] = ['StochasticBlockAttention', 'CounterUniform']
const scaled = functionOf(A, ['x'], (n) => n.op('Mul', ['x', n.attribute('scale', 'float')], {}, 'y'), { defaults: { scale: float(3) } })

const cases: [string, OnnxModel, number[]][] = [
  ['an attribute that the call gives', modelOf([call(A, ['x'], 'out', { scale: float(10) })], [scaled]), [-20, -10, 10, 20]],
  ['a default that the call leaves', modelOf([call(A, ['x'], 'out')], [scaled]), [-6, -3, 3, 6]],
  [
    'two calls of one function, whose inner names must not meet',
    modelOf([call(A, ['x'], 'm', { scale: float(2) }), call(A, ['m'], 'out', { scale: float(5) })], [scaled]),
    [-20, -10, 10, 20],
  ],
  [
    'a function that calls another, defined after it',
    modelOf(
      [call(B, ['x'], 'out')],
      [
        functionOf(B, ['x'], (n) => {
          n.call(call(A, ['x'], 'inner', { scale: float(4) }))
          n.op('Neg', ['inner'], {}, 'y')
        }),
        scaled,
      ],
    ),
    [8, 4, -4, -8],
  ],
  [
    'an optional input that the call leaves out',
    modelOf([call(A, ['x'], 'out')], [functionOf(A, ['x', 'low', 'high'], (n) => n.op('Clip', ['x', 'low', 'high'], {}, 'y'))]),
    [-2, -1, 1, 2],
  ],
  [
    'an attribute passed on that nobody gave: the inner default',
    modelOf(
      [call(A, ['x'], 'out')],
      [functionOf(A, ['x'], (n) => n.op('LeakyRelu', ['x'], { alpha: { kind: 'reference', value: 'slope', of: 'float' } }, 'y'), { required: ['slope'] })],
    ),
    [-0.02, -0.01, 1, 2],
  ],
  [
    'a branch inside a body, which sees the values around it',
    modelOf(
      [call(A, ['x'], 'out'), call(A, ['out'], 'again')],
      [
        functionOf(A, ['x'], (n) => {
          const doubled = n.op('Add', ['x', 'x'])
          const isPositive = n.op('Greater', [n.op('ReduceSum', ['x'], { keepdims: int(0) }), n.float(-1)])
          const branch = (type: string, output: string) =>
            ({
              kind: 'graph',
              value: {
                name: type,
                nodes: [{ type, domain: '', inputs: [doubled], outputs: [output], attributes: {} }],
                initializers: [],
                inputs: [],
                outputs: [{ name: output, type: 'float', axes: [4] }],
              },
            }) as const
          n.call({ type: 'If', domain: '', inputs: [isPositive], outputs: ['y'], attributes: { then_branch: branch('Abs', 'a'), else_branch: branch('Neg', 'b') } })
        }),
      ],
    ),
    [4, 2, 2, 4],
  ],
]

describe('inlineFunctions', () => {
  it.each(cases)('writes out %s', async (_, model, expected) => {
    const [written, byRuntime] = await both(model)
    expect(written).toEqual(byRuntime)
    written.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i]!, 6)
    })
  })

  it('leaves the parsed graph as it was', () => {
    const model = checkGraph(encodeModel(cases[0]![1]))
    inlineFunctions(model)
    expect(model.functions).toHaveLength(1)
    expect(model.graph?.node[0]?.opType).toBe(A)
  })
})

describe('a reader that knows no functions', () => {
  it('refuses a file in function form where the bodies are missing, instead of computing something else', async () => {
    const bytes = encodeModel({ ...cases[0]![1], functions: [] })
    await expect(nodeRuntime.open(bytes)).rejects.toThrow(/not a registered function\/op/)
  })
})
