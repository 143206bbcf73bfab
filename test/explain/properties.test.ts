import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { classTokenAttention } from '../../src/explain/class-token-attention.ts'
import { communitiesIn, headLabels } from '../../src/explain/communities.ts'
import { coMembership, imageCommunities } from '../../src/explain/image-communities.ts'
import type { MapContext } from '../../src/explain/map-method.ts'
import { normalizedEntropy } from '../../src/explain/membership-entropy.ts'
import { toPatchGrid } from '../../src/explain/patch-grid.ts'
import { rolloutOfClassToken } from '../../src/explain/rollout.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { manifestOf } from './golden-case.ts'

const layoutOf = (height: number, width: number, prefixTokens: number) => ({ patchGrid: { height, width }, prefixTokens, classTokenIndex: 0 })
const grids = fc.record({ height: fc.integer({ min: 1, max: 9 }), width: fc.integer({ min: 1, max: 9 }), prefix: fc.constantFrom(1, 2, 5) })

/** Rows that sum to 1, from any positive numbers. */
const rowStochastic = (shape: readonly number[], raw: readonly number[]): Tensor => {
  const columns = shape.at(-1)!
  const data = Float32Array.from({ length: shape.reduce((product, axis) => product * axis, 1) }, (_, i) => raw[i % raw.length]! + ((i * 7919) % 13))
  for (let start = 0; start < data.length; start += columns) {
    const sum = data.subarray(start, start + columns).reduce((total, value) => total + value, 0)
    for (let i = 0; i < columns; i++) data[start + i]! /= sum
  }
  return tensorOf(data, shape)
}
const positive = fc.array(fc.float({ min: Math.fround(0.01), max: 10, noNaN: true }), { minLength: 3, maxLength: 40 })

/** One head's memberships, each token wholly in the community given. */
const oneHot = (labels: readonly number[], communities: number): number[] => labels.flatMap((label) => Array.from({ length: communities }, (_, k) => (k === label ? 1 : 0)))

describe('the patch grid', () => {
  it('puts the first patch at the upper left and the last at the lower right, whatever stands before them', () => {
    fc.assert(
      fc.property(grids, ({ height, width, prefix }) => {
        const layout = layoutOf(height, width, prefix)
        const tokens = prefix + height * width
        const first = toPatchGrid(
          Float32Array.from({ length: tokens }, (_, token) => (token === prefix ? 1 : 0)),
          layout,
        )
        const last = toPatchGrid(
          Float32Array.from({ length: tokens }, (_, token) => (token === tokens - 1 ? 1 : 0)),
          layout,
        )
        expect(first.shape).toEqual([height, width])
        expect(first.data[0]).toBe(1)
        expect(last.data[height * width - 1]).toBe(1)
        expect(first.data.reduce((sum, value) => sum + value, 0)).toBe(1)
      }),
    )
  })

  it('refuses every other number of tokens', () => {
    fc.assert(
      fc.property(grids, fc.integer({ min: 0, max: 120 }), ({ height, width, prefix }, tokens) => {
        fc.pre(tokens !== prefix + height * width)
        expect(() => toPatchGrid(new Float32Array(tokens), layoutOf(height, width, prefix))).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
      }),
    )
  })

  it('keeps rows and columns apart on a grid that is not square: token (2, 9) of 7 x 14', () => {
    const grid = toPatchGrid(
      Float32Array.from({ length: 99 }, (_, token) => (token === 1 + 2 * 14 + 9 ? 1 : 0)),
      layoutOf(7, 14, 1),
    )
    expect(grid.shape).toEqual([7, 14])
    expect(grid.data.indexOf(1)).toBe(2 * 14 + 9)
  })
})

describe('attention of the class token', () => {
  it('reads who is looked at, not who looks: the row of an asymmetric matrix', async () => {
    // One head, class token and two patches; rows sum to 1, columns do not.
    const attention = tensorOf(Float32Array.of(0.5, 0.2, 0.3, 0.9, 0.05, 0.05, 0.8, 0.1, 0.1), [1, 3, 3])
    const manifest = manifestOf({ outputNames: ['logits', 'attention'], patchGrid: { height: 1, width: 2 }, heads: 1, depth: 1 })
    const context: MapContext = {
      manifest,
      outputs: { asTrained: { attention }, withoutStructure: null },
      explainedClass: { index: 0, name: 'first' },
      communities: Promise.resolve(null),
      tail: null,
    }
    const map = await classTokenAttention.build(context)
    expect([...map.grid.data]).toEqual([...Float32Array.of(0.2, 0.3)])
    expect(map.range).toEqual({ min: 0, max: Math.fround(0.3) })
  })
})

describe('rollout', () => {
  it('meets the product of the layers worked out by hand', () => {
    // A1 = [[.5 .5] [0 1]], A2 = [[.2 .8] [.6 .4]]; with (I + A) / 2, row 0 of the product is [.45, .55].
    const attention = tensorOf(Float32Array.of(0.5, 0.5, 0, 1, 0.2, 0.8, 0.6, 0.4), [2, 1, 2, 2])
    expect(rolloutOfClassToken(attention, layoutOf(1, 1, 1))[1]).toBeCloseTo(0.55, 6)
  })

  it('is zero off the class token when every token attends only to itself', () => {
    const identity = tensorOf(Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1), [2, 1, 3, 3])
    expect([...rolloutOfClassToken(identity, layoutOf(1, 2, 1))]).toEqual([1, 0, 0])
  })

  it('is flat over the patches when every token attends to all alike', () => {
    const uniform = tensorOf(new Float32Array(3 * 2 * 100).fill(0.1), [3, 2, 10, 10])
    const patches = rolloutOfClassToken(uniform, layoutOf(3, 3, 1)).slice(1)
    for (const value of patches) expect(value).toBeCloseTo(patches[0]!, 12)
  })

  it('keeps the row summing to 1', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 8 }), positive, (layers, heads, patches, raw) => {
        const attention = rowStochastic([layers, heads, patches + 1, patches + 1], raw)
        const row = rolloutOfClassToken(attention, layoutOf(1, patches, 1))
        expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5)
      }),
    )
  })
})

describe('the communities of an image', () => {
  const layout = layoutOf(4, 4, 1)
  // Three planted communities of 8, 5 and 3 patches.
  const planted = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2]

  it('are the planted ones, by descending share, though each head names them otherwise', () => {
    const heads = [planted, planted.map((label) => [4, 0, 2][label]!), planted.map((label) => [1, 3, 0][label]!)]
    const membership = tensorOf(Float32Array.from(heads.flatMap((labels) => oneHot([0, ...labels], 5))), [3, 17, 5])
    const found = communitiesIn({ membership: tensorOf(membership.data, [1, 3, 17, 5]) }, layout)!
    expect([...found.labels]).toEqual(planted)
    expect(found.facts.map(({ index, share }) => [index, share])).toEqual([
      [0, 8 / 16],
      [1, 5 / 16],
      [2, 3 / 16],
    ])
    expect(Math.min(...found.confidence)).toBe(1)
  })

  it('state how much of each patch lies in each, worked by hand', () => {
    // Four patches in one head of two communities: two of the first, one of the second, one mixed.
    const z = [1, 0, 1, 0, 1, 0, 0, 1, 0.25, 0.75] // the class token's row comes first
    const found = communitiesIn({ membership: tensorOf(Float32Array.from(z), [1, 1, 5, 2]) }, layoutOf(2, 2, 1))!
    expect([...found.labels]).toEqual([0, 0, 1, 1])
    // The mixed patch: mean of z_i . z_j is 0.25 with the first two, (0.75 + 0.625) / 2 with the others.
    const mixed = 0.25 / (0.25 + 0.6875)
    const pure = 1 / (1 + 0.125)
    // The third: 0 with both of the first, (1 + 0.75) / 2 with its own.
    const expected = [pure, pure, 0, mixed]
    expected.forEach((value, patch) => {
      expect(found.memberships[patch]).toBeCloseTo(value, 6)
    })
    for (let patch = 0; patch < 4; patch++) expect(found.memberships[patch]! + found.memberships[4 + patch]!).toBeCloseTo(1, 6)
    expect([...found.confidence]).toEqual([found.memberships[0], found.memberships[1], found.memberships[6], found.memberships[7]])
  })

  it('do not change when a head renames its communities', () => {
    fc.assert(
      fc.property(positive, fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (raw, order) => {
        const membership = rowStochastic([2, 17, 4], raw)
        const renamed = Float32Array.from(membership.data, (_, i) => (i < 17 * 4 ? membership.data[Math.floor(i / 4) * 4 + order[i % 4]!]! : membership.data[i]!))
        const [a, b] = [membership, tensorOf(renamed, membership.shape)].map((tensor) => coMembership([tensor], layout))
        a!.forEach((value, i) => {
          expect(Math.abs(value - b![i]!)).toBeLessThan(1e-12)
        })
      }),
    )
  })

  it('follow their patches: another order of the patches gives the same parts', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([...Array(16).keys()], { minLength: 16 }), (order) => {
        const labels = order.map((patch) => planted[patch]!)
        const membership = tensorOf(Float32Array.from(oneHot([0, ...labels], 3)), [1, 17, 3])
        expect([...imageCommunities(coMembership([membership], layout)).labels]).toEqual(labels)
      }),
    )
  })

  it('are one where all patches are alike, and never more than eight', () => {
    const alike = rowStochastic([2, 17, 4], [1])
    for (let i = 0; i < alike.data.length; i++) alike.data[i] = 0.25
    expect(imageCommunities(coMembership([alike], layout)).count).toBe(1)
    const allDifferent = tensorOf(Float32Array.from(oneHot([0, ...Array(16).keys()], 16)), [1, 17, 16])
    expect(imageCommunities(coMembership([allDifferent], layout)).count).toBeLessThanOrEqual(8)
  })

  it('are not those of the mean membership: heads that swap two names would cancel there', () => {
    const labels = planted.map((label) => (label === 0 ? 0 : 1))
    const swapped = labels.map((label) => 1 - label)
    const membership = tensorOf(Float32Array.from([...oneHot([0, ...labels], 2), ...oneHot([0, ...swapped], 2)]), [2, 17, 2])
    const found = imageCommunities(coMembership([membership], layout))
    expect([...found.labels]).toEqual(labels)
  })

  it('refuse memberships of another grid', () => {
    expect(() => coMembership([tensorOf(new Float32Array(2 * 10 * 4), [2, 10, 4])], layout)).toThrow(expect.objectContaining({ code: 'shape-mismatch' }))
  })
})

describe("a head's labels", () => {
  it('are ordered by its own shares, the ninth and later being one', () => {
    const labels = [9, 9, 9, 3, 3, 0, 1, 2, 4, 5, 6, 7, 8, 10, 11, 11]
    const membership = tensorOf(Float32Array.from(oneHot([0, ...labels], 12)), [1, 17, 12])
    const perHead = headLabels(membership, layoutOf(4, 4, 1))
    expect([...perHead.labels.data]).toEqual([0, 0, 0, 1, 1, 3, 4, 5, 6, 7, 8, 8, 8, 8, 2, 2])
    expect([...perHead.confidence.data]).toEqual(Array(16).fill(1))
  })
})

describe('the entropy of memberships', () => {
  it('is 0 for one community, 1 for all alike, and ln 2 / ln 4 for two of four', () => {
    const membership = tensorOf(Float32Array.of(1, 0, 0, 0, 0.25, 0.25, 0.25, 0.25, 0.5, 0.5, 0, 0), [1, 3, 4])
    const [row] = normalizedEntropy(membership)
    expect(row![0]).toBe(0)
    expect(row![1]).toBeCloseTo(1, 12)
    expect(row![2]).toBeCloseTo(0.5, 12)
  })

  it('is 0 where there is but one community', () => {
    expect([...normalizedEntropy(tensorOf(Float32Array.of(1, 1), [1, 2, 1]))[0]!]).toEqual([0, 0])
  })
})
