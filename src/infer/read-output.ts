/** A run's raw tensors in, one output of one image out, in the axes of src/domain/outputs.ts: batch taken off, layers stacked, sizes checked. */
import type { Manifest } from '../domain/manifest.ts'
import type { OutputName } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import { at, type Tensor, tensorOf } from '../tensor/tensor.ts'
import { refuse } from './check-graph.ts'

/**
 * The graph's names behind one output: one, or one a layer.
 *
 * Throws: "output-missing" where the manifest doesn't have the output.
 */
export function graphNames(manifest: Manifest, output: OutputName): readonly string[] {
  const declared = manifest.outputs[output]
  if (declared === undefined) throw new Problem('output-missing', `this model gives no ${output}`, { output })
  return typeof declared.name === 'string' ? [declared.name] : declared.name
}

/**
 * One output of one image.
 *
 * results  the fetched tensors by graph name, the batch outermost where the manifest says so
 * returns  the axes of the manifest without 'batch'
 *
 * Throws: "output-missing"; "shape-mismatch" where a size isn't what the manifest's numbers say.
 */
export function assembleOutput(manifest: Manifest, output: OutputName, results: ReadonlyMap<string, Tensor>, row: number, rows: number): Tensor {
  const axes = manifest.outputs[output]?.axes ?? []
  const perLayer = typeof manifest.outputs[output]?.name !== 'string'
  const parts = graphNames(manifest, output).map((name) => {
    const tensor = results.get(name)
    if (tensor === undefined) throw new Problem('output-missing', `the run gave no ${output}`, { output })
    return axes[0] === 'batch' ? imageOf(tensor, row, rows) : tensor
  })
  const [first] = parts
  const tensor = perLayer ? concatenate(parts) : first
  if (tensor === undefined) throw new Problem('output-missing', `the run gave no ${output}`, { output })
  checkShape(expectedShape(manifest, output), tensor, output)
  return tensor
}

/**
 * The sizes of an output without its batch; null where the manifest has no number for an axis.
 *
 * Throws: "bundle-refused" for an axis that has no meaning here.
 */
export function expectedShape(manifest: Manifest, output: OutputName): readonly (number | null)[] {
  const declared = manifest.outputs[output]
  return (declared?.axes ?? []).filter((axis) => axis !== 'batch').map((axis) => (axis === 'layer' ? layersOf(manifest, output) : sizeOfAxis(manifest, axis)))
}

function layersOf(manifest: Manifest, output: OutputName): number {
  const declared = manifest.outputs[output]
  const layers = output === 'attentionAll' ? manifest.depth : (manifest.structure?.layers.length ?? 0)
  if (declared !== undefined && typeof declared.name !== 'string' && declared.name.length !== layers) {
    throw refuse('output-mismatch', `the manifest names ${declared.name.length} layers of ${output}, the network has ${layers}`)
  }
  return layers
}

function sizeOfAxis(manifest: Manifest, axis: string): number | null {
  switch (axis) {
    case 'class':
      return manifest.classes.length
    case 'head':
      return manifest.heads
    case 'token':
      return manifest.prefixTokens + manifest.patchGrid.height * manifest.patchGrid.width
    case 'community':
      return manifest.structure?.communities ?? null
    case 'width':
    case 'headWidth':
      return null
    default:
      throw refuse('output-mismatch', 'the manifest names an axis that is not known here')
  }
}

function imageOf(tensor: Tensor, row: number, rows: number): Tensor {
  if (tensor.shape[0] !== rows) throw new Problem('shape-mismatch', 'an output lacks its batch', { expected: [rows], actual: tensor.shape })
  return at(tensor, row)
}

function checkShape(expected: readonly (number | null)[], { shape }: Tensor, output: string): void {
  const fits = shape.length === expected.length && expected.every((size, axis) => size === null || size === shape[axis])
  if (!fits) throw new Problem('shape-mismatch', `${output} does not have the shape of the manifest`, { expected: expected.map((size) => size ?? -1), actual: shape })
}

/** [a, b] of each layer as [layer, a, b] */
function concatenate(parts: readonly Tensor[]): Tensor {
  const [first] = parts
  const size = first?.data.length ?? 0
  const data = new Float32Array(parts.length * size)
  parts.forEach((part, layer) => {
    data.set(part.data, layer * size)
  })
  return tensorOf(data, [parts.length, ...(first?.shape ?? [])])
}
