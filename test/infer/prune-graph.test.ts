import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { checkGraph } from '../../src/infer/check-graph.ts'
import { nodeRuntime } from '../../src/infer/node-runtime.ts'
import { keepOutputs, withAnyKeys } from '../../src/infer/prune-graph.ts'
import type { Feed, Session } from '../../src/infer/runtime.ts'

const bytes = readFileSync(join(resolve(import.meta.dirname, '../..'), 'models/released/dcmm-vit-tiny-patch4-28.pneumonia-v1/tail.onnx'))
const pruned = keepOutputs(checkGraph(bytes), ['logits'])

describe('keepOutputs', () => {
  const sessions: Session[] = []
  beforeAll(async () => {
    for (const graph of [bytes, pruned]) sessions.push(await nodeRuntime.open(graph))
  })
  afterAll(async () => {
    for (const session of sessions) await session.release()
  })

  it('leaves what leads to the kept outputs, and takes what only the others needed', () => {
    const [whole, kept] = [checkGraph(bytes), checkGraph(pruned)]
    expect(kept.graph!.output.map(({ name }) => name)).toEqual(['logits'])
    expect(kept.graph!.node.length).toBeLessThan(whole.graph!.node.length)
    expect(whole.graph!.input.map(({ name }) => name)).toContain('direction')
    expect(kept.graph!.input).toEqual(whole.graph!.input.filter(({ name }) => name !== 'direction'))
  })

  it('leaves the kept outputs the same, bit for bit, and the given graph as it was', async () => {
    const [whole, kept] = sessions as [Session, Session]
    const wave = (shape: readonly number[]): Feed => ({ type: 'float32', shape, data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(1 + i)) })
    const ones = (shape: readonly number[]): Feed => ({ type: 'float32', shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1) })
    const feeds = { scores: wave([4, 50]), values: wave([4, 50, 16]), residual: wave([64]), alpha: ones([3]), bias: wave([3, 4, 50]), keep: ones([3, 4, 50]) }
    expect(Object.keys(feeds).sort()).toEqual([...kept.inputNames].sort())
    const [expected, found] = [await whole.run({ ...feeds, direction: ones([1, 2]) }, ['logits']), await kept.run(feeds, ['logits'])]
    expect(found.get('logits')).toEqual(expected.get('logits'))
    expect(whole.outputNames).toContain('gradient')
    expect(kept.outputNames).toEqual(['logits'])
  })
})

describe('withAnyKeys', () => {
  it('frees the named axes of the inputs and leaves everything else, the given graph too', () => {
    const given = checkGraph(bytes)
    const before = structuredClone(given.graph!.input)
    const { input, ...others } = withAnyKeys(given, { scores: 1, keep: 2 }).graph!
    const axesOf = (name: string): unknown => {
      const type = input.find((candidate) => candidate.name === name)?.type
      return type?.value.case === 'tensorType' ? type.value.value.shape?.dim.map(({ value }) => value.value) : null
    }
    expect([axesOf('scores'), axesOf('keep'), axesOf('bias'), axesOf('residual')]).toEqual([[4n, 'key'], ['row', 4n, 'key'], ['row', 4n, 50n], [64n]])
    const { input: _, ...original } = given.graph!
    expect(others).toEqual(original)
    expect(given.graph!.input).toEqual(before)
  })
})
