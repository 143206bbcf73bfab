/** Our writer against readers that know nothing of it: onnx-buf, generated from onnx.proto, and Debian's python3-onnx. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { ModelProtoSchema, type TensorProto } from 'onnx-buf'
import { describe, expect, it } from 'vitest'
import { buildNetwork } from '../../../export/networks/build-network.ts'
import { encodeModel } from '../../../export/onnx/encode-model.ts'
import type { OnnxModel } from '../../../export/onnx/onnx-model.ts'
import { ProtobufWriter } from '../../../export/onnx/protobuf-writer.ts'
import { loadGolden } from '../../models/support/golden.ts'

const sbm = loadGolden('sbm-expected')
const model = buildNetwork(sbm.config, sbm.weights).model
const bytes = encodeModel(model)

const python = '/usr/bin/python3'
const hasPythonOnnx = spawnSync(python, ['-c', 'import onnx']).status === 0

describe('encodeModel', () => {
  it('is read back by onnx-buf as what was described', () => {
    const read = fromBinary(ModelProtoSchema, bytes)
    expect(Number(read.irVersion)).toBe(9)
    expect(read.opsetImport.map(({ domain, version }) => [domain, Number(version)])).toEqual([
      ['', 20],
      ['org.attending.community', 1],
    ])
    expect(read.graph?.node.map(({ opType, domain, input, output }) => [opType, domain, input, output])).toEqual(
      model.graph.nodes.map(({ type, domain, inputs, outputs }) => [type, domain, inputs, outputs]),
    )
    expect(read.graph?.initializer.map(({ name, dims }) => [name, dims.map(Number)])).toEqual(model.graph.initializers.map(({ name, shape }) => [name, shape]))
    const floats = ({ rawData }: TensorProto): Float32Array => new Float32Array(rawData.slice().buffer)
    read.graph?.initializer.forEach((tensor, i) => {
      expect(floats(tensor)).toEqual(model.graph.initializers[i]!.data)
    })
    expect(read.functions.map(({ name, input, output, attribute, attributeProto }) => [name, input, output, attribute, attributeProto.map((a) => a.name)])).toEqual(
      model.functions.map(({ name, inputs, outputs, required, defaults }) => [name, inputs, outputs, required, Object.keys(defaults)]),
    )
  })

  it('loses nothing on the way through another writer: onnx-buf writes as many bytes again', () => {
    expect(toBinary(ModelProtoSchema, fromBinary(ModelProtoSchema, bytes)).length).toBe(bytes.length)
  })

  it('gives equal bytes for equal models', () => {
    expect(encodeModel(buildNetwork(sbm.config, sbm.weights).model)).toEqual(bytes)
  })

  it.skipIf(!hasPythonOnnx)("is read by ONNX's own Python package, which checks every node that it knows (needs Debian's python3-onnx)", () => {
    const folder = mkdtempSync(join(tmpdir(), 'attending-onnx-'))
    const file = join(folder, 'model.onnx')
    // Version 1.12 knows IR 8 and operator set 17: the plain ViT without Gelu-20 is written in those for it.
    writeFileSync(file, encodeModel(asOldModel()))
    const script = `import onnx, onnx.numpy_helper; m = onnx.load('${file}'); onnx.checker.check_model(m); print(len(m.graph.node), sum(onnx.numpy_helper.to_array(t).size for t in m.graph.initializer))`
    const { stdout, stderr, status } = spawnSync(python, ['-c', script], { encoding: 'utf8' })
    rmSync(folder, { recursive: true })
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const old = asOldModel()
    expect(stdout.trim()).toBe(`${old.graph.nodes.length} ${old.graph.initializers.reduce((sum, { data }) => sum + data.length, 0)}`)
  })
})

/** The plain golden network as IR 8, operator set 17, its Gelu nodes replaced by Relu: for a reader, not for running. */
function asOldModel(): OnnxModel {
  const vit = loadGolden('vit')
  const { model: written } = buildNetwork(vit.config, vit.weights)
  const nodes = written.graph.nodes.map((node) => (node.type === 'Gelu' ? { ...node, type: 'Relu' } : node))
  return { ...written, ir: 8, operatorSets: [{ domain: '', version: 17 }], graph: { ...written.graph, nodes } }
}

describe('ProtobufWriter', () => {
  /** A varint read by the definition: seven bits a byte, the least first. */
  const readVarint = (encoded: Uint8Array): bigint => encoded.reduce((value, byte, i) => value | (BigInt(byte & 127) << BigInt(7 * i)), 0n)

  it('writes every 64-bit integer as its varint', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }), (value) => {
        const encoded = new ProtobufWriter().integer(1, value).finish().subarray(1)
        expect(BigInt.asIntN(64, readVarint(encoded))).toBe(value)
        expect(encoded.slice(0, -1).every((byte) => byte >= 128)).toBe(true)
        expect(encoded.at(-1)).toBeLessThan(128)
      }),
    )
  })

  it('meets the examples of the encoding guide', () => {
    // protobuf.dev, "Encoding": field 1 = 150 is 08 96 01; field 2 = "testing" is 12 07 74 65 73 74 69 6e 67; field 3 = {1: 150} is 1a 03 08 96 01.
    expect(Buffer.from(new ProtobufWriter().integer(1, 150).finish()).toString('hex')).toBe('089601')
    expect(Buffer.from(new ProtobufWriter().text(2, 'testing').finish()).toString('hex')).toBe('120774657374696e67')
    expect(Buffer.from(new ProtobufWriter().message(3, new ProtobufWriter().integer(1, 150)).finish()).toString('hex')).toBe('1a03089601')
  })
})
