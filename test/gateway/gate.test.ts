import { describe, expect, it } from 'vitest'
import { createGate } from '../../src/gateway/gate.ts'

const never = new AbortController().signal

describe('a gate', () => {
  it('lets no more through than it has places, in the order in which they came, and goes on after a failure', async () => {
    const gate = createGate(2)
    const begun: number[] = []
    const ends: ((isWell: boolean) => void)[] = []
    const call = (number: number): Promise<number> =>
      gate.pass(async () => {
        begun.push(number)
        if (!(await new Promise<boolean>((resolve) => ends.push(resolve)))) throw new Error('no')
        return number
      }, never)
    const calls = [1, 2, 3, 4].map(call)
    expect(begun).toEqual([1, 2])
    ends[1]?.(false)
    await expect(calls[1]).rejects.toThrow('no')
    expect(begun).toEqual([1, 2, 3])
    ends[0]?.(true)
    expect(await calls[0]).toBe(1)
    expect(begun).toEqual([1, 2, 3, 4])
    for (const end of ends) end(true)
    expect(await Promise.all(calls.slice(2))).toEqual([3, 4])
  })

  it('lets one who waits go, and keeps the place for the next', async () => {
    const gate = createGate(1)
    const controller = new AbortController()
    let end: () => void = () => {}
    const first = gate.pass(() => new Promise<void>((resolve) => (end = resolve)), never)
    const second = gate.pass(async () => 'second', controller.signal)
    const third = gate.pass(async () => 'third', never)
    controller.abort(new Error('gone'))
    await expect(second).rejects.toThrow('gone')
    end()
    await first
    expect(await third).toBe('third')
    await expect(gate.pass(async () => 'fourth', controller.signal)).rejects.toThrow('gone')
  })
})
