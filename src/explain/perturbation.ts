/** An order for a map that takes many forward passes in, its passes and what is made of them out. */
import type { Manifest } from '../domain/manifest.ts'
import type { PerturbationOrder } from '../domain/perturbation.ts'
import { Problem } from '../domain/problem.ts'
import type { Perturbation } from './forward-batch.ts'
import { occlusion } from './occlusion.ts'
import { rise } from './rise.ts'

/** Throws: "parameter-invalid" for a class that the model does not have, "shape-mismatch" where the pixels are not the model's input. */
export function perturbationOf(manifest: Manifest, { method, pixels, classIndex }: PerturbationOrder): Perturbation {
  const { channels, height, width } = manifest.input
  if (pixels.shape.join() !== [channels, height, width].join()) {
    throw new Problem('shape-mismatch', 'the pixels do not have the shape of the manifest', { expected: [channels, height, width], actual: pixels.shape })
  }
  const explained = manifest.classes[classIndex]
  if (explained === undefined) throw new Problem('parameter-invalid', 'the model has no class of this index', { parameter: 'class' })
  const target = { index: classIndex, name: explained.name }
  return method.kind === 'occlusion' ? occlusion(manifest, pixels, target, method.baseline) : rise(manifest, pixels, target, method)
}
