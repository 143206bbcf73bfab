/** Hostile and broken graphs, made here: each must be refused with its reason before any runtime sees a byte of it. */
import { createHash } from 'node:crypto'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  FunctionProtoSchema,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  SparseTensorProtoSchema,
  StringStringEntryProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  TrainingInfoProtoSchema,
} from 'onnx-buf'
import { describe, expect, it } from 'vitest'
import { buildGraphs } from '../../export/build-graphs.ts'
import { checkGraph, REFUSAL_REASONS, type RefusalReason } from '../../src/infer/check-graph.ts'
import { openBundle } from '../../src/infer/load-bundle.ts'
import { loadGolden } from '../models/support/golden.ts'
import { goldenBundle, withManifest } from '../support/golden-bundle.ts'

const golden = loadGolden('dcmm')
const honest = buildGraphs(golden.config, golden.weights, 'function', { mode: 'expected' }).graph

/** The honest graph with one thing changed. */
const changed = (change: (model: ModelProto) => void): Uint8Array => {
  const model = fromBinary(ModelProtoSchema, honest)
  change(model)
  return toBinary(ModelProtoSchema, model)
}
const external = (location: string) =>
  create(TensorProtoSchema, {
    name: 'w',
    dims: [1n],
    dataType: 1,
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: [create(StringStringEntryProtoSchema, { key: 'location', value: location })],
  })
const constantOf = (tensor: ReturnType<typeof external>) =>
  create(NodeProtoSchema, { opType: 'Constant', output: ['c'], attribute: [create(AttributeProtoSchema, { name: 'value', type: AttributeProto_AttributeType.TENSOR, t: tensor })] })
const branchOf = (nodes: ReturnType<typeof constantOf>[]) =>
  create(NodeProtoSchema, {
    opType: 'If',
    input: ['x'],
    output: ['y'],
    attribute: [create(AttributeProtoSchema, { name: 'then_branch', type: AttributeProto_AttributeType.GRAPH, g: create(GraphProtoSchema, { node: nodes }) })],
  })
const nested = (depth: number): ReturnType<typeof branchOf> => (depth === 0 ? branchOf([]) : branchOf([nested(depth - 1)]))

/** A graph's nodes inside a chain of messages too deep for any honest file: bytes written by hand, as an encoder would refuse. */
const bottomless = (depth: number): Uint8Array => {
  let inner: Buffer = Buffer.alloc(0)
  const wrap = (field: number, content: Buffer): Buffer => {
    const length: number[] = []
    let rest = content.length
    while (rest > 127) {
      length.push((rest & 127) | 128)
      rest >>>= 7
    }
    return Buffer.concat([Buffer.from([field * 8 + 2, ...length, rest]), content])
  }
  for (let i = 0; i < depth; i++) inner = wrap(1, wrap(5, wrap(6, inner))) // graph.node.attribute.g
  return new Uint8Array(Buffer.concat([Buffer.from([8, 9]), wrap(7, inner), wrap(8, Buffer.from([10, 0, 16, 20]))]))
}

const fixtures: [string, RefusalReason, () => Uint8Array][] = [
  ['an initializer kept in another file', 'external-data', () => changed(({ graph }) => graph!.initializer.push(external('weights.bin')))],
  ['an initializer that climbs out of the folder', 'external-data', () => changed(({ graph }) => graph!.initializer.push(external('junk/../../../../etc/passwd')))],
  [
    'external data without the location flag',
    'external-data',
    () => changed(({ graph }) => graph!.initializer.push(create(TensorProtoSchema, { ...external('/etc/passwd'), dataLocation: TensorProto_DataLocation.DEFAULT }))),
  ],
  [
    'the location flag without external data',
    'external-data',
    () => changed(({ graph }) => graph!.initializer.push(create(TensorProtoSchema, { ...external('x'), externalData: [] }))),
  ],
  ['external data in a constant', 'external-data', () => changed(({ graph }) => graph!.node.push(constantOf(external('x'))))],
  ['external data in a subgraph', 'external-data', () => changed(({ graph }) => graph!.node.push(branchOf([constantOf(external('x'))])))],
  ["external data in a function's body", 'external-data', () => changed(({ functions }) => functions[0]!.node.push(constantOf(external('x'))))],
  [
    'a sparse initializer with external values',
    'sparse-tensor',
    () => changed(({ graph }) => graph!.sparseInitializer.push(create(SparseTensorProtoSchema, { values: external('x'), dims: [4n] }))),
  ],
  [
    'a sparse tensor in a constant',
    'sparse-tensor',
    () =>
      changed(({ graph }) =>
        graph!.node.push(
          create(NodeProtoSchema, {
            opType: 'Constant',
            output: ['c'],
            attribute: [
              create(AttributeProtoSchema, {
                name: 'sparse_value',
                type: AttributeProto_AttributeType.SPARSE_TENSOR,
                sparseTensor: create(SparseTensorProtoSchema, { values: external('x') }),
              }),
            ],
          }),
        ),
      ),
  ],
  [
    'an operation of a domain that nobody knows',
    'unknown-domain',
    () => changed(({ graph }) => graph!.node.push(create(NodeProtoSchema, { opType: 'Run', domain: 'com.example', output: ['c'] }))),
  ],
  [
    'a function of a domain that nobody knows',
    'unknown-domain',
    () => changed(({ functions }) => functions.push(create(FunctionProtoSchema, { name: 'Run', domain: 'com.example' }))),
  ],
  [
    'an operation that the custom domain does not have',
    'unknown-operation',
    () => changed(({ graph }) => graph!.node.push(create(NodeProtoSchema, { opType: 'Run', domain: 'org.attending.community', output: ['c'] }))),
  ],
  [
    'a custom operation without its body',
    'function-missing',
    () =>
      changed((model) => {
        model.functions = []
      }),
  ],
  [
    'a function that calls itself',
    'function-recursive',
    () =>
      changed(({ functions }) =>
        functions[0]!.node.push(create(NodeProtoSchema, { opType: functions[0]!.name, domain: 'org.attending.community', input: ['query'], output: ['again'] })),
      ),
  ],
  [
    'an operator set of the future',
    'operator-set',
    () =>
      changed(({ opsetImport }) => {
        opsetImport[0]!.version = 27n
      }),
  ],
  [
    'an operator set of the future in a function alone',
    'operator-set',
    () =>
      changed(({ functions }) => {
        functions[0]!.opsetImport[0]!.version = 99n
      }),
  ],
  [
    'another version of the custom domain',
    'operator-set',
    () =>
      changed(({ opsetImport }) => {
        opsetImport[1]!.version = 2n
      }),
  ],
  [
    'no operator set',
    'operator-set',
    () =>
      changed((model) => {
        model.opsetImport = [create(OperatorSetIdProtoSchema, { domain: 'org.attending.community', version: 1n })]
      }),
  ],
  [
    'an IR of the future',
    'ir-version',
    () =>
      changed((model) => {
        model.irVersion = 14n
      }),
  ],
  [
    'a tensor larger than the file',
    'tensor-size',
    () => changed(({ graph }) => graph!.initializer.push(create(TensorProtoSchema, { name: 'bomb', dims: [1n << 20n, 1n << 20n], dataType: 1 }))),
  ],
  [
    'sizes whose product overflows 64 bits',
    'tensor-size',
    () => changed(({ graph }) => graph!.initializer.push(create(TensorProtoSchema, { name: 'bomb', dims: [1n << 62n, 1n << 62n], dataType: 1 }))),
  ],
  ['a negative size', 'tensor-size', () => changed(({ graph }) => graph!.initializer.push(create(TensorProtoSchema, { name: 'w', dims: [-1n], dataType: 1 })))],
  [
    'data that does not fill its shape',
    'tensor-size',
    () =>
      changed(({ graph }) => {
        const [tensor] = graph!.initializer
        tensor!.rawData = tensor!.rawData.slice(4)
      }),
  ],
  [
    'a few bytes that ask for a terabyte, in an initializer',
    'tensor-size',
    () =>
      changed(({ graph }) => {
        graph!.initializer.push(create(TensorProtoSchema, { name: 'huge', dims: [2n], dataType: 7, int64Data: [1n << 20n, 1n << 20n] }))
        graph!.node.push(create(NodeProtoSchema, { opType: 'ConstantOfShape', input: ['huge'], output: ['bomb'] }))
      }),
  ],
  [
    "a few bytes that ask for a terabyte, in a function's constant",
    'tensor-size',
    () =>
      changed(({ functions }) => {
        const rawData = new Uint8Array(BigInt64Array.of(1n << 40n).buffer)
        functions[0]!.node.push(
          constantOf(create(TensorProtoSchema, { dims: [1n], dataType: 7, rawData })),
          create(NodeProtoSchema, { opType: 'Expand', input: ['query', 'c'], output: ['bomb'] }),
        )
      }),
  ],
  ['a tensor of strings', 'tensor-type', () => changed(({ graph }) => graph!.initializer.push(create(TensorProtoSchema, { name: 's', dims: [1n], dataType: 8 })))],
  ['subgraphs nested deeper than any network', 'nesting', () => changed(({ graph }) => graph!.node.push(nested(9)))],
  ['messages nested without end', 'unparseable', () => bottomless(4000)],
  ['a training graph', 'training-info', () => changed(({ trainingInfo }) => trainingInfo.push(create(TrainingInfoProtoSchema)))],
  [
    'no graph',
    'unparseable',
    () =>
      changed((model) => {
        delete model.graph
      }),
  ],
  ['a file that was cut off', 'unparseable', () => honest.subarray(0, honest.length - 100)],
  ['no protobuf at all', 'unparseable', () => new TextEncoder().encode('#!/bin/sh\nexit 0\n')],
]

describe('a graph', () => {
  it('is taken as the exporter writes it, in both forms and for each network', () => {
    for (const name of ['vit', 'dcmm', 'sbm-expected'] as const) {
      const { config, weights } = loadGolden(name)
      for (const form of ['function', 'standard'] as const) {
        const { graph, tail } = buildGraphs(config, weights, form, { mode: 'expected' })
        expect(checkGraph(graph).graph?.name).toBe(config.network)
        expect(checkGraph(tail).graph?.name).toBe('tail')
      }
    }
  })

  it.each(fixtures)('with %s is refused as %s', (_, reason, make) => {
    const graph = make()
    expect(() => checkGraph(graph)).toThrow(expect.objectContaining({ code: 'bundle-refused', facts: { reason } }))
  })

  it.each(fixtures)('with %s never reaches a runtime, though the manifest has its hash', async (_, reason, make) => {
    const graph = make()
    const files = goldenBundle(golden)
    const manifest = { ...files.manifest, graph: { ...files.manifest.graph, sha256: createHash('sha256').update(graph).digest('hex') } }
    const opened: Uint8Array[] = []
    const runtime = { name: 'a witness', open: (bytes: Uint8Array) => Promise.reject(opened.push(bytes)) }
    await expect(openBundle(withManifest({ ...files, graph }, manifest), { runtime })).rejects.toMatchObject({ facts: { reason } })
    expect(opened).toEqual([])
  })

  it('has at least twelve hostile fixtures, and every reason of a graph has one', () => {
    expect(fixtures.length).toBeGreaterThanOrEqual(12)
    const ofFiles = ['file-missing', 'file-not-plain', 'file-too-large', 'hash-mismatch', 'signature-missing', 'signature-invalid', 'input-mismatch', 'output-mismatch', 'runtime']
    const seen = fixtures.map(([, reason]) => reason)
    expect(REFUSAL_REASONS.filter((reason) => !ofFiles.includes(reason) && !seen.includes(reason))).toEqual([])
  })

  it('of arbitrary bytes is refused, never a crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(() => checkGraph(bytes)).toThrow(expect.objectContaining({ code: 'bundle-refused' }))
      }),
      { numRuns: 300 },
    )
  })

  it('with one byte changed is parsed, or refused, never a crash', () => {
    fc.assert(
      fc.property(fc.nat({ max: 4000 }), fc.nat({ max: 255 }), (position, value) => {
        const bytes = honest.slice()
        bytes[position] = value
        try {
          checkGraph(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'bundle-refused' })
        }
      }),
      { numRuns: 200 },
    )
  })
})
