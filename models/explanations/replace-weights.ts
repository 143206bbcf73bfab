/** A bundle's files and other weights of the same network in, the same bundle with those weights out: the graphs stay, their constants change. */
import { createHash } from 'node:crypto'
import { Problem } from '../../src/domain/problem.ts'
import type { BundleFiles } from '../../src/infer/bundle-files.ts'
import { checkGraph } from '../../src/infer/check-graph.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'

/** What the exporter appends to the name of a matrix that it stores as MatMul takes it. */
const TRANSPOSED = '.transposed'

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
    const isTransposed = name.endsWith(TRANSPOSED)
    const plainName = isTransposed ? name.slice(0, -TRANSPOSED.length) : name
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

function transposed({ shape, data }: Tensor): Tensor {
  const [rows = 0, columns = 0] = shape
  return { shape: [columns, rows], data: Float32Array.from(data, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)] ?? 0) }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
