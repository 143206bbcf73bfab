/** An input and the network in, what the probability loses when a patch is covered out: the total effect, through all layers. */
import type { ExplanationMap } from '../domain/explanation.ts'
import type { InputTensor } from '../domain/image.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { Baseline } from '../domain/perturbation.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'
import { buildMap } from './build-map.ts'
import { type Perturbation, type PerturbationRun, runPerturbation } from './forward-batch.ts'
import { eachLineOf } from './patch-box.ts'

/** Blur whose deviation is half a patch. */
const BLUR_OF_PATCH = 0.5

/** The whole map in one go: `occlusion`, run. Throws: the signal's reason, once it is aborted. */
export async function occlusionMap(
  manifest: Manifest,
  input: InputTensor,
  explainedClass: { readonly index: number; readonly name: string },
  baseline: Baseline,
  run: PerturbationRun,
): Promise<ExplanationMap> {
  return runPerturbation(occlusion(manifest, input.pixels, explainedClass, baseline), run)
}

/**
 * The class's probability minus the same with one patch covered, for every patch.
 *
 * Costs one forward pass a patch and one more, which is number 0: the unchanged image. The two baselines disagree at the borders of an image: ask for both.
 *
 * pixels  [channel, height, width], normalized
 */
export function occlusion(manifest: Manifest, pixels: Tensor, explainedClass: { readonly index: number; readonly name: string }, baseline: Baseline): Perturbation {
  const { height, width } = manifest.patchGrid
  const passes = height * width + 1
  const cover = baseline === 'mean' ? tensorOf(new Float32Array(pixels.data.length), pixels.shape) : blurred(pixels, (BLUR_OF_PATCH * manifest.input.height) / height)
  return {
    passes,
    size: pixels.data.length,
    classIndex: explainedClass.index,
    change: (into, pass) => {
      into.set(pixels.data)
      if (pass > 0) copyPatch(into, cover, pass - 1, manifest)
    },
    toMap: ([whole = 0, ...covered]) =>
      buildMap({
        name: `occlusion-${baseline}`,
        title: baseline === 'mean' ? 'Occlusion by the mean' : 'Occlusion by blur',
        kind: 'diverging',
        role: 'causal',
        explainedClass: explainedClass.name,
        grid: tensorOf(
          Float32Array.from(covered, (probability) => whole - probability),
          [height, width],
        ),
        unit: 'probability',
        method: `probability minus the same with the patch covered by ${baseline === 'mean' ? 'the mean of the normalization' : 'the blurred image'}: total effect through all layers`,
        source: 'Zeiler and Fergus, arXiv:1311.2901, section 4.2, one patch a step',
        numbers: { forwardPasses: passes, probability: whole },
        notes: ['positive: the patch spoke for the class'],
      }),
  }
}

/** The patch's pixels of `from` over those of `into`, all channels. */
export function copyPatch(into: Float32Array, from: Tensor, patch: number, manifest: Pick<Manifest, 'patchGrid' | 'input'>): void {
  eachLineOf(patch, manifest, (start, end) => into.set(from.data.subarray(start, end), start))
}

/**
 * The image through a Gaussian, edges held.
 *
 * pixels  [channel, height, width]; deviation in pixels of the input
 */
export function blurred(pixels: Tensor, deviation: number): Tensor {
  const [channels = 0, height = 0, width = 0] = pixels.shape
  const reach = Math.ceil(3 * deviation)
  const raw = Array.from({ length: 2 * reach + 1 }, (_, i) => Math.exp(-((i - reach) ** 2) / (2 * deviation ** 2)))
  const sum = raw.reduce((total, value) => total + value, 0)
  const weights = raw.map((value) => value / sum)
  const across = filterLines(pixels.data, channels * height, width, width, 1, weights, reach)
  const out = new Float32Array(pixels.data.length)
  for (let channel = 0; channel < channels; channel++) {
    const plane = across.subarray(channel * height * width, (channel + 1) * height * width)
    out.set(filterLines(plane, width, height, 1, width, weights, reach), channel * height * width)
  }
  return tensorOf(out, pixels.shape)
}

/** Every line of `length` values filtered; lines begin `lineStep` apart, their values `valueStep`. */
function filterLines(data: Float32Array, lines: number, length: number, lineStep: number, valueStep: number, weights: readonly number[], reach: number): Float32Array {
  const out = new Float32Array(data.length)
  for (let line = 0; line < lines; line++) {
    for (let i = 0; i < length; i++) {
      let sum = 0
      for (let k = -reach; k <= reach; k++) {
        const at = Math.max(0, Math.min(length - 1, i + k))
        sum += (weights[k + reach] ?? 0) * (data[line * lineStep + at * valueStep] ?? 0)
      }
      out[line * lineStep + i * valueStep] = sum
    }
  }
  return out
}
