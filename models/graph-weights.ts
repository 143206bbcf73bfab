/**
 * The weights that the graph of a bundle carries: read from it, or written over it with the graph left as it is. Our exporter keeps their names; a matrix
 * lies there as MatMul takes it, under its name with ".transposed".
 */
import { createHash } from 'node:crypto'
import { Problem } from '../src/domain/problem.ts'
import type { BundleFiles } from '../src/infer/bundle-files.ts'
import { checkGraph } from '../src/infer/check-graph.ts'
import { sizeOf, type Tensor, tensorOf } from '../src/tensor/tensor.ts'

const TRANSPOSED = '.transposed'

/** ONNX' TensorProto.DataType.FLOAT. */
const FLOAT = 1

/**
 * Every weight by its name (timm's), in the shape that it was trained in. Constants that are no 32-bit floats are none.
 *
 * Throws: "bundle-refused" for a graph that no runtime would see.
 */
export function readGraphWeights(graph: Uint8Array): ReadonlyMap<string, Tensor> {
  const constants = (checkGraph(graph).graph?.initializer ?? []).map(({ name, dims, dataType, rawData }) => ({ name, shape: dims.map(Number), dataType, rawData }))
  const floats = constants.filter(({ shape, dataType, rawData }) => dataType === FLOAT && rawData.length === 4 * sizeOf(shape))
  return new Map(
    floats.map(({ name, shape, rawData }) => {
      const { weight, isTransposed } = placeOf(name)
      const stored = tensorOf(readFloats(rawData), shape)
      return [weight, isTransposed ? transposed(stored) : stored]
    }),
  )
}

/**
 * The bundle with `weights` (timm's names) in place of its own; weights that are not named stay.
 *
 * Throws: "checkpoint-invalid" for a weight that the graph does not hold, "shape-mismatch" for one of another size.
 */
export function replaceWeights(files: BundleFiles, weights: ReadonlyMap<string, Tensor>): BundleFiles {
  const { bytes: graph, placed } = withWeights(files.graph, weights)
  for (const name of weights.keys()) if (!placed.has(name)) throw new Problem('checkpoint-invalid', `the graph holds no ${name}`, {})
  const tail = files.tail === null ? null : withWeights(files.tail, weights).bytes
  const { manifest } = files
  const changed = {
    ...manifest,
    graph: { ...manifest.graph, sha256: sha256(graph) },
    tail: manifest.tail === null || tail === null ? null : { ...manifest.tail, sha256: sha256(tail) },
  }
  return { manifest: changed, manifestBytes: new TextEncoder().encode(JSON.stringify(changed)), graph, tail, signature: null }
}

/** A copy of the graph's bytes, the constants' values written over where they lie. */
function withWeights(bytes: Uint8Array, weights: ReadonlyMap<string, Tensor>): { readonly bytes: Uint8Array; readonly placed: ReadonlySet<string> } {
  const copy = bytes.slice()
  const view = new DataView(copy.buffer, copy.byteOffset, copy.byteLength)
  const placed = new Set<string>()
  for (const { name, dims, rawData } of checkGraph(bytes).graph?.initializer ?? []) {
    const { weight: plainName, isTransposed } = placeOf(name)
    const weight = weights.get(plainName)
    if (weight === undefined) continue
    const { shape, data } = isTransposed ? transposed(weight) : weight
    if (shape.join() !== dims.join() || rawData.length !== 4 * data.length)
      throw new Problem('shape-mismatch', `weight ${plainName}`, { expected: dims.map(Number), actual: shape })
    // The parsed values are a view into the file's own bytes: where it begins is where they lie.
    if (rawData.buffer !== bytes.buffer) throw new Problem('internal', 'a constant of the graph was copied while it was read', {})
    const start = rawData.byteOffset - bytes.byteOffset
    data.forEach((value, i) => {
      view.setFloat32(start + 4 * i, value, true)
    })
    placed.add(plainName)
  }
  return { bytes: copy, placed }
}

/** A constant's name in, the weight's out, and whether it lies on its side. */
function placeOf(constant: string): { readonly weight: string; readonly isTransposed: boolean } {
  const isTransposed = constant.endsWith(TRANSPOSED)
  return { weight: isTransposed ? constant.slice(0, -TRANSPOSED.length) : constant, isTransposed }
}

/** Little-endian, as ONNX stores them; a copy. */
function readFloats(bytes: Uint8Array): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true))
}

function transposed({ shape, data }: Tensor): Tensor {
  const [rows = 0, columns = 0] = shape
  return { shape: [columns, rows], data: Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)] ?? 0) }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
