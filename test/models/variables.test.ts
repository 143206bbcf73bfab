import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { assignVariables, lossAndGradients, readTensors, toTfTensors, toVariables } from '../../models/variables.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import { useBackend } from './support/use-backend.ts'

const weights = new Map([
  ['a', tensorOf(Float32Array.of(1, 2), [2])],
  ['b', tensorOf(Float32Array.of(3), [1, 1])],
])

describe('the door between our tensors and the variables of TF.js', () => {
  beforeAll(() => useBackend('cpu'))

  it('lets values through both ways, for two networks of the same names in one process', async () => {
    const [first, second] = [toVariables(weights), toVariables(weights)]
    first.get('a')!.assign(tf.tensor1d([7, 8]))
    expect([...(await readTensors(first)).get('a')!.data]).toEqual([7, 8])
    expect(await readTensors(second)).toEqual(weights)
    expect(await readTensors(toTfTensors(weights))).toEqual(weights)
  })

  it('gives gradients by our names, and none for a weight that the loss does not see', async () => {
    const variables = toVariables(weights)
    const { loss, gradients } = lossAndGradients(variables, () => tf.sum(tf.square(variables.get('a')!)))
    expect((await loss.data())[0]).toBe(5)
    expect([...gradients.keys()]).toEqual(['a'])
    expect([...(await gradients.get('a')!.data())]).toEqual([2, 4])
  })

  it('frees what the loss made on its way', () => {
    const variables = toVariables(weights)
    const before = tf.memory().numTensors
    const { loss, gradients } = lossAndGradients(variables, () => tf.sum(tf.exp(tf.mul(variables.get('a')!, 2))))
    expect(tf.memory().numTensors).toBe(before + 2)
    tf.dispose([loss, ...gradients.values()])
  })

  it('writes values into variables in place, and refuses to leave one unwritten', async () => {
    const variables = toVariables(weights)
    assignVariables(variables, new Map([...weights, ['a', tensorOf(Float32Array.of(5, 6), [2])]]))
    expect([...(await variables.get('a')!.data())]).toEqual([5, 6])
    expect(() => assignVariables(variables, new Map([['a', tensorOf(Float32Array.of(5, 6), [2])]]))).toThrow(RangeError)
  })
})
