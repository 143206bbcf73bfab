import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteBudget, ByteCollector } from '../../src/http/byte-collector.ts'

describe('a byte collector', () => {
  it('gives back the chunks one after the other, and its memory to the budget', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 40 }), (chunks) => {
        const budget = new ByteBudget(1_000_000)
        const collector = new ByteCollector(100_000, budget)
        for (const chunk of chunks) collector.add(chunk)
        expect(Buffer.from(collector.bytes())).toEqual(Buffer.concat(chunks))
        collector.release()
        expect(budget.freeBytes).toBe(1_000_000)
        expect(collector.bytes()).toHaveLength(0)
      }),
    )
  })

  it('never holds more than twice its bytes and the first 64 KiB', () => {
    const budget = new ByteBudget(10_000_000)
    const collector = new ByteCollector(5_000_000, budget)
    for (let length = 1; length <= 3000; length++) {
      collector.add(new Uint8Array(1000))
      expect(10_000_000 - budget.freeBytes).toBeLessThanOrEqual(Math.max(65_536, 2 * 1000 * length))
    }
  })

  it('takes as much as its limit and refuses the next byte', () => {
    const collector = new ByteCollector(10, new ByteBudget(100))
    collector.add(new Uint8Array(10))
    expect(() => collector.add(new Uint8Array(1))).toThrow('larger than 10 bytes')
    expect(collector.bytes()).toHaveLength(10)
  })

  it('refuses to grow past what is left of the budget, and keeps what it had', () => {
    const budget = new ByteBudget(70_000)
    const collector = new ByteCollector(1_000_000, budget)
    collector.add(new Uint8Array(65_536))
    expect(() => collector.add(new Uint8Array(10_000))).toThrow('fill the memory')
    expect(collector.bytes()).toHaveLength(65_536)
    collector.release()
    expect(budget.freeBytes).toBe(70_000)
  })
})
