/** Named tensors in, one row of numbers that threads can share out, and back. */
import type * as tf from '@tensorflow/tfjs'

export interface LaidOut {
  readonly name: string
  readonly shape: readonly number[]
  readonly offset: number
  readonly size: number
}

/** Where each weight lies, in the order of the map. */
export function layoutOf(weights: ReadonlyMap<string, tf.Tensor>): readonly LaidOut[] {
  let offset = 0
  return [...weights].map(([name, { shape, size }]) => {
    const place = { name, shape, offset, size }
    offset += size
    return place
  })
}

/** Numbers of all weights together. */
export function totalSize(layout: readonly LaidOut[]): number {
  return layout.reduce((sum, { size }) => sum + size, 0)
}

/** Writes the tensors' values to their places; names those that are not there, whose places become 0. */
export async function pack(tensors: ReadonlyMap<string, tf.Tensor>, layout: readonly LaidOut[], to: Float32Array): Promise<readonly string[]> {
  const absent: string[] = []
  for (const { name, offset, size } of layout) {
    const tensor = tensors.get(name)
    if (tensor === undefined) {
      absent.push(name)
      to.fill(0, offset, offset + size)
    } else to.set((await tensor.data()) as Float32Array, offset)
  }
  return absent
}
