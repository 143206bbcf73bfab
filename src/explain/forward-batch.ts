/** What perturbation methods ask of the network: many changed inputs, their classes' probabilities. */
import type { ExplanationMap } from '../domain/explanation.ts'

/**
 * The network on a batch of inputs.
 *
 * pixels   [batch, channel, height, width], normalized, as the graph takes them
 * returns  [batch, class] probabilities
 */
export type ForwardBatch = (pixels: Float32Array, batch: number) => Promise<Float32Array | Float64Array>

export interface PerturbationRun {
  readonly forward: ForwardBatch
  /** Inputs in one call. */
  readonly batchSize: number
  /** Called after every batch with the part that is done, 0 to 1. */
  readonly onProgress?: (done: number) => void
  /** Stops the work before its next batch. */
  readonly signal?: AbortSignal
}

/** Forward passes whose inputs are made from their numbers alone, so that the work can be cut anywhere. */
export interface Passes {
  readonly passes: number
  /** Values of one input. */
  readonly size: number
  readonly classIndex: number
  /** Writes the input of a pass into the view that it is given, [channel, height, width]. */
  change(into: Float32Array, pass: number): void
}

/** A map as its forward passes and what is made of them. */
export interface Perturbation extends Passes {
  /** probabilities [pass] */
  toMap(probabilities: Float64Array): ExplanationMap
}

/** The map, its passes run in batches. Throws: the signal's reason, once it is aborted. */
export async function runPerturbation(perturbation: Perturbation, run: PerturbationRun): Promise<ExplanationMap> {
  return perturbation.toMap(await allProbabilitiesOf(perturbation, run))
}

/**
 * The class's probability in every pass.
 *
 * returns  [pass]
 *
 * Throws: the signal's reason, once it is aborted.
 */
export async function allProbabilitiesOf(passes: Passes, run: PerturbationRun): Promise<Float64Array> {
  const probabilities = new Float64Array(passes.passes)
  for (let start = 0; start < passes.passes; start += run.batchSize) {
    run.signal?.throwIfAborted()
    const count = Math.min(run.batchSize, passes.passes - start)
    probabilities.set(await probabilitiesOf(passes, start, count, run.forward), start)
    run.onProgress?.((start + count) / passes.passes)
  }
  return probabilities
}

/**
 * The class's probability in some of the passes, by one call of the network.
 *
 * returns  [count], of the passes from `start`
 */
export async function probabilitiesOf({ size, classIndex, change }: Passes, start: number, count: number, forward: ForwardBatch): Promise<Float64Array> {
  const pixels = new Float32Array(count * size)
  for (let row = 0; row < count; row++) change(pixels.subarray(row * size, (row + 1) * size), start + row)
  const answer = await forward(pixels, count)
  const classes = answer.length / count
  return Float64Array.from({ length: count }, (_, row) => answer[row * classes + classIndex] ?? 0)
}
