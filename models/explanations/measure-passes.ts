/** Marked images in, how the maps that run the whole network hundreds of times find the regions out: made as they are served. */
import type { ExplanationMap } from '../../src/domain/explanation.ts'
import type { InputTensor } from '../../src/domain/image.ts'
import type { PerturbationMethod } from '../../src/domain/perturbation.ts'
import type { Region } from '../../src/explain/validation/localization.ts'
import type { Bundle } from '../../src/infer/load-bundle.ts'
import { explainByPasses } from '../../src/pipeline.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { type Placed, placeOn } from './measure-image.ts'

/** Masks of a RISE map, as many as the server draws unasked. */
export const RISE_MASKS = 500

/** By map its place on one image; null where nothing was marked. */
export type PassPlaces = Readonly<Record<string, Placed | null>>

/**
 * Occlusion by both baselines and RISE, of the predicted class, against the region.
 *
 * A RISE map is placed by what it holds above the mean of all masks, since every patch holds that.
 *
 * seed  of the masks of RISE
 */
export async function measurePasses(bundle: Bundle, input: InputTensor, region: Region, seed: number): Promise<PassPlaces> {
  const { manifest } = bundle
  const { asTrained } = await bundle.run(input, { outputs: ['logits'], withoutStructure: false, seed: 0, samples: 0 })
  const logits = Array.from(asTrained.logits?.data ?? [])
  const classIndex = logits.indexOf(Math.max(...logits))
  const places: Record<string, Placed | null> = {}
  for (const method of methods(seed)) {
    const map = await explainByPasses(bundle, { modelId: manifest.id, method, pixels: input.pixels, classIndex, networkSeed: 0 })
    places[map.name] = placeOn(aboveLevel(map), input, region)
  }
  return places
}

function methods(seed: number): readonly PerturbationMethod[] {
  return [
    { kind: 'occlusion', baseline: 'mean' },
    { kind: 'occlusion', baseline: 'blur' },
    { kind: 'rise', masks: RISE_MASKS, seed },
  ]
}

function aboveLevel({ grid, numbers: { meanProbability: level = 0 } }: ExplanationMap): Tensor {
  return tensorOf(
    grid.data.map((value) => value - level),
    grid.shape,
  )
}
