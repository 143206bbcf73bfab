/** Maps that cost many forward passes: what is asked for, the slices in which it is done, and how many passes it takes. */
import type { Tensor } from '../tensor/tensor.ts'
import type { ExplanationMap } from './explanation.ts'
import type { Manifest } from './manifest.ts'

/** What a covered patch shows: the manifest's mean, which is 0 after normalization, or the image itself, blurred. */
export type Baseline = 'mean' | 'blur'

export type PerturbationMethod =
  | { readonly kind: 'occlusion'; readonly baseline: Baseline }
  | {
      readonly kind: 'rise'
      /** How many are drawn. */
      readonly masks: number
      /** 32 bits; the same seed draws the same masks. */
      readonly seed: number
    }

/** All that decides the map: equal orders give equal bits. */
export interface PerturbationOrder {
  readonly modelId: string
  readonly method: PerturbationMethod
  /** [channel, height, width], normalized: what the network saw. */
  readonly pixels: Tensor
  readonly classIndex: number
  /** Of the network's own masks, where it draws any; the same for every pass. */
  readonly networkSeed: number
}

/** Passes number `start` to `start + count` of the order; answered by the class's probability in each. */
export interface PerturbRequest {
  readonly kind: 'perturb'
  readonly order: PerturbationOrder
  readonly start: number
  readonly count: number
}

/** The order's map, from the probability of every pass. */
export interface PerturbationMapRequest {
  readonly kind: 'perturbation-map'
  readonly order: PerturbationOrder
  /** [pass] */
  readonly probabilities: Float64Array
}

/** The engines as those know them who perturb. Every call may throw "overloaded", "deadline-exceeded" or "engine-lost". */
export interface PerturbationEngines {
  perturb(request: PerturbRequest, signal?: AbortSignal): Promise<Float64Array>
  buildPerturbationMap(request: PerturbationMapRequest, signal?: AbortSignal): Promise<ExplanationMap>
}

/** Forward passes of the whole: one a patch and one of the unchanged image, or one a mask. */
export function passesOf(method: PerturbationMethod, { patchGrid }: Pick<Manifest, 'patchGrid'>): number {
  return method.kind === 'occlusion' ? patchGrid.height * patchGrid.width + 1 : method.masks
}

/** Tokens of all images in one call of the network: eight images of 14 x 14 patches. Bounds the memory, and how long anybody else waits for the engine. */
const TOKENS_PER_SLICE = 1600
const MOST_PASSES_PER_SLICE = 16

/**
 * Passes in one slice. It follows from the model alone and never from the load: who else shares a call may change the last bits of an answer.
 */
export function sliceLength({ patchGrid, prefixTokens }: Pick<Manifest, 'patchGrid' | 'prefixTokens'>): number {
  const tokens = patchGrid.height * patchGrid.width + prefixTokens
  return Math.max(1, Math.min(MOST_PASSES_PER_SLICE, Math.floor(TOKENS_PER_SLICE / tokens)))
}

export interface Slice {
  readonly start: number
  readonly count: number
}

/** The slices of all passes, in order. */
export function slicesOf(method: PerturbationMethod, manifest: Pick<Manifest, 'patchGrid' | 'prefixTokens'>): readonly Slice[] {
  const [passes, length] = [passesOf(method, manifest), sliceLength(manifest)]
  return Array.from({ length: Math.ceil(passes / length) }, (_, slice) => ({ start: slice * length, count: Math.min(length, passes - slice * length) }))
}
