/** In a file of its own: a backend that was started before would hide a guard that is lost at the first start. */
import * as tf from '@tensorflow/tfjs'
import { describe, expect, it } from 'vitest'
import { chooseBackend } from '../../../models/backend/choose-backend.ts'

describe('the wasm backend', () => {
  it.each(['wasm', 'wasm-shipped'] as const)('names exhausted memory where it happens, started as %s, and goes on with what fits', async (name) => {
    await chooseBackend(name)
    const backend = tf.backend() as unknown as { write(values: null, shape: number[], dtype: string): object; disposeData(id: object, force: boolean): boolean }
    const held: object[] = []
    const fill = (): void => {
      for (let i = 0; i < 5; i++) held.push(backend.write(null, [2 ** 28], 'float32')) // 1 GiB each, never touched
    }
    expect(fill).toThrow(expect.objectContaining({ code: 'memory-exhausted' }))
    for (const id of held) backend.disposeData(id, true)
    expect([...(await tf.add(tf.tensor1d([1]), 2).data())]).toEqual([3])
  })
})
