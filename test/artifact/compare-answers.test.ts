import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compareAnswers } from '../../src/artifact/compare-answers.ts'

const answer = {
  id: 'a',
  createdAt: '2026',
  timingMs: { infer: 3 },
  classes: [{ name: 'x', logit: 0.1 }],
  maps: [{ name: 'degree', href: { png: '/a.png' }, range: { min: 0, max: 1 } }],
}

describe('compareAnswers', () => {
  it('finds nothing where only the occasion differs', () => {
    const other = { ...answer, id: 'b', createdAt: '2027', href: { self: '/b' }, timingMs: { infer: 9 }, maps: [{ ...answer.maps[0], href: { png: '/b.png' } }] }
    expect(compareAnswers(answer, other)).toEqual({ differences: [], compared: 5 })
  })

  it('names the place of a number that differs in its last bit', () => {
    const other = structuredClone(answer)
    other.classes[0]!.logit += 2 ** -54
    expect(compareAnswers(answer, other).differences).toEqual([{ path: 'classes[0].logit', before: 0.1, now: 0.1 + 2 ** -54 }])
  })

  it('finds what is missing on either side, and the sign of zero', () => {
    expect(compareAnswers({ a: 1 }, {}).differences).toEqual([{ path: 'a', before: 1, now: undefined }])
    expect(compareAnswers({ list: [] }, { list: [1] }).differences).toEqual([{ path: 'list[0]', before: undefined, now: 1 }])
    expect(compareAnswers({ a: 0 }, { a: -0 }).differences).toHaveLength(1)
    expect(compareAnswers({ a: null }, { a: {} }).differences).toHaveLength(1)
  })

  it('finds no difference of a value to itself', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(compareAnswers({ value }, structuredClone({ value })).differences).toEqual([])
      }),
    )
  })
})
