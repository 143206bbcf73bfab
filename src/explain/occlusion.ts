/** An input and the network in, what the probability loses when a patch is covered out: the total effect, through all layers. */
import type { ExplanationMap } from '../domain/explanation.ts'
import type { InputTensor } from '../domain/image.ts'
import type { Manifest } from '../domain/manifest.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'
import { buildMap } from './build-map.ts'
import { type PerturbationRun, probabilitiesOf } from './forward-batch.ts'

/** What a covered patch shows: the manifest's mean, which is 0 after normalization, or the image itself, blurred. */
export type Baseline = 'mean' | 'blur'

/** Blur whose deviation is half a patch. */
const BLUR_OF_PATCH = 0.5

/**
 * The class's probability minus the same with one patch covered, for every patch.
 *
 * Costs one forward pass a patch and one more. The two baselines disagree at the borders of an image: ask for both.
 * Throws: the signal's reason, once it is aborted.
 */
export async function occlusionMap(
  manifest: Manifest,
  input: InputTensor,
  explainedClass: { readonly index: number; readonly name: string },
  baseline: Baseline,
  run: PerturbationRun,
): Promise<ExplanationMap> {
  const { height, width } = manifest.patchGrid
  const cover =
    baseline === 'mean' ? tensorOf(new Float32Array(input.pixels.data.length), input.pixels.shape) : blurred(input.pixels, (BLUR_OF_PATCH * manifest.input.height) / height)
  // Input 0 is the unchanged one.
  const probabilities = await probabilitiesOf(run, input.pixels.data.length, height * width + 1, explainedClass.index, (into, index) => {
    into.set(input.pixels.data)
    if (index > 0) copyPatch(into, cover, index - 1, manifest)
  })
  const whole = probabilities[0] ?? 0
  return buildMap({
    name: `occlusion-${baseline}`,
    title: baseline === 'mean' ? 'Occlusion by the mean' : 'Occlusion by blur',
    kind: 'diverging',
    role: 'causal',
    explainedClass: explainedClass.name,
    grid: tensorOf(
      Float32Array.from({ length: height * width }, (_, patch) => whole - (probabilities[patch + 1] ?? 0)),
      [height, width],
    ),
    unit: 'model output score',
    method: `model output score minus the same with the patch covered by ${baseline === 'mean' ? 'the mean of the normalization' : 'the blurred image'}: total effect through all layers`,
    source: 'Zeiler and Fergus, arXiv:1311.2901, section 4.2, one patch a step',
    numbers: { forwardPasses: height * width + 1, probability: whole },
    notes: ['positive: the patch spoke for the class'],
  })
}

/** The patch's pixels of `from` over those of `into`, all channels. */
export function copyPatch(into: Float32Array, from: Tensor, patch: number, { patchGrid, input }: Pick<Manifest, 'patchGrid' | 'input'>): void {
  const patchHeight = input.height / patchGrid.height
  const patchWidth = input.width / patchGrid.width
  const top = Math.floor(patch / patchGrid.width) * patchHeight
  const left = (patch % patchGrid.width) * patchWidth
  for (let channel = 0; channel < input.channels; channel++) {
    for (let row = top; row < top + patchHeight; row++) {
      const start = (channel * input.height + row) * input.width + left
      into.set(from.data.subarray(start, start + patchWidth), start)
    }
  }
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
