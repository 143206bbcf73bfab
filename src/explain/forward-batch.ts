/** What perturbation methods ask of the network: many changed inputs, their classes' probabilities. */

/**
 * The network on a batch of inputs.
 *
 * pixels   [batch, channel, height, width], normalized, as the graph takes them
 * returns  [batch, class] probabilities
 */
export type ForwardBatch = (pixels: Float32Array, batch: number) => Promise<Float32Array>

export interface PerturbationRun {
  readonly forward: ForwardBatch
  /** Inputs in one call. */
  readonly batchSize: number
  /** Called after every batch with the part that is done, 0 to 1. */
  readonly onProgress?: (done: number) => void
  /** Stops the work before its next batch. */
  readonly signal?: AbortSignal
}

/**
 * The probability of one class for every changed input.
 *
 * change   writes the input number `index` into the view that it is given, [channel, height, width]
 * returns  [count]
 *
 * Throws: the signal's reason, once it is aborted.
 */
export async function probabilitiesOf(
  run: PerturbationRun,
  size: number,
  count: number,
  classIndex: number,
  change: (into: Float32Array, index: number) => void,
): Promise<Float64Array> {
  const probabilities = new Float64Array(count)
  for (let start = 0; start < count; start += run.batchSize) {
    run.signal?.throwIfAborted()
    const batch = Math.min(run.batchSize, count - start)
    const pixels = new Float32Array(batch * size)
    for (let row = 0; row < batch; row++) change(pixels.subarray(row * size, (row + 1) * size), start + row)
    const answer = await run.forward(pixels, batch)
    const classes = answer.length / batch
    for (let row = 0; row < batch; row++) probabilities[start + row] = answer[row * classes + classIndex] ?? 0
    run.onProgress?.((start + batch) / count)
  }
  return probabilities
}
