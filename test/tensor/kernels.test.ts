import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { averageLink, clusterDistances, cutTree, joinClusters, meanSilhouette } from '../../src/tensor/average-link.ts'
import { gaussLegendre } from '../../src/tensor/gauss-legendre.ts'
import { correlation, rankCorrelation, ranks } from '../../src/tensor/rank-correlation.ts'
import { softmax } from '../../src/tensor/softmax.ts'

const finite = fc.double({ min: -50, max: 50, noNaN: true })

describe('softmax', () => {
  it('meets e / (1 + e) for scores one apart, however large they are', () => {
    expect(softmax([1000, 1001])[1]).toBeCloseTo(Math.E / (1 + Math.E), 12)
  })

  it('sums to 1 over what is kept and gives the rest nothing', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(finite, fc.boolean()), { minLength: 1, maxLength: 20 }), (entries) => {
        const keep = entries.map(([, isKept]) => (isKept ? 1 : 0))
        const row = softmax(
          entries.map(([score]) => score),
          keep,
        )
        const sum = row.reduce((total, value) => total + value, 0)
        expect(sum).toBeCloseTo(keep.includes(1) ? 1 : 0, 12)
        row.forEach((value, i) => {
          if (keep[i] === 0) expect(value).toBe(0)
        })
      }),
    )
  })
})

describe('rankCorrelation', () => {
  it('meets the worked example of Spearman: IQ against hours of television is -29/165', () => {
    const iq = [86, 97, 99, 100, 101, 103, 106, 110, 112, 113]
    const hours = [2, 20, 28, 27, 50, 29, 7, 17, 6, 12]
    expect(rankCorrelation(iq, hours)).toBeCloseTo(-29 / 165, 12)
  })

  it('gives ties their mean rank', () => {
    expect([...ranks([5, 1, 5, 3])]).toEqual([2.5, 0, 2.5, 1])
  })

  it('is 1 under any growing change of scale, and null for a constant list', () => {
    fc.assert(
      fc.property(fc.uniqueArray(finite, { minLength: 2, maxLength: 20 }), (values) => {
        expect(
          rankCorrelation(
            values,
            values.map((value) => value ** 3 + 2 * value),
          ),
        ).toBeCloseTo(1, 9)
        expect(
          rankCorrelation(
            values,
            values.map((value) => -value),
          ),
        ).toBeCloseTo(-1, 9)
      }),
    )
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeNull()
  })

  it('refuses lists of different lengths', () => {
    expect(() => rankCorrelation([1], [1, 2])).toThrow(RangeError)
    expect(correlation([0, 1, 2], [0, 2, 4])).toBeCloseTo(1, 12)
  })
})

describe('gaussLegendre', () => {
  it('meets the two-point rule: 1/2 -+ 1/(2 sqrt 3), each weighing a half', () => {
    const { nodes, weights } = gaussLegendre(2)
    expect(nodes[0]).toBeCloseTo(0.5 - 0.5 / Math.sqrt(3), 15)
    expect(nodes[1]).toBeCloseTo(0.5 + 0.5 / Math.sqrt(3), 15)
    expect([...weights].map((weight) => weight.toFixed(12))).toEqual(['0.500000000000', '0.500000000000'])
  })

  it.each([4, 8, 16, 32, 64, 128])('integrates x^k exactly up to k = 2n - 1: %i nodes', (count) => {
    const { nodes, weights } = gaussLegendre(count)
    for (const power of [0, 1, 2, 7, 15, 2 * count - 1].filter((power) => power < 2 * count)) {
      const integral = nodes.reduce((sum, node, i) => sum + weights[i]! * node ** power, 0)
      expect(integral).toBeCloseTo(1 / (power + 1), 12)
    }
  })
})

describe('averageLink', () => {
  const distances = (points: readonly number[]): Float64Array => Float64Array.from(points.flatMap((a) => points.map((b) => Math.abs(a - b))))

  it('joins in the order worked out by hand', () => {
    // 0, 1, 4, 6, 20: first 0-1 at 1, then 4-6 at 2, then the pairs at (4+6+3+5)/4 = 4.5, last 20 at (20+19+16+14)/4 = 17.25.
    const merges = averageLink(distances([0, 1, 4, 6, 20]), 5)
    expect(merges.map(({ height }) => height)).toEqual([1, 2, 4.5, 17.25])
    expect([...cutTree(merges, 5, 3)]).toEqual([0, 0, 1, 1, 2])
    expect([...cutTree(merges, 5, 1)]).toEqual([0, 0, 0, 0, 0])
  })

  it('meets the direct search that joins the closest pair of clusters again and again', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 100_000 }), { minLength: 2, maxLength: 12 }), (points) => {
        const distance = distances(points)
        const heights = averageLink(distance, points.length).map(({ height }) => height)
        let clusters = points.map((_, i) => [i])
        const expected: number[] = []
        while (clusters.length > 1) {
          const between = (a: number[], b: number[]): number => a.reduce((sum, i) => sum + b.reduce((s, j) => s + distance[i * points.length + j]!, 0), 0) / (a.length * b.length)
          const pairs = clusters.flatMap((left, a) => clusters.slice(a + 1).map((right, step) => ({ a, b: a + 1 + step, height: between(left, right) })))
          const [best, second] = pairs.sort((x, y) => x.height - y.height)
          // Ties may be broken either way and then lead elsewhere: only draws without them are compared.
          fc.pre(second === undefined || second.height - best!.height > 1e-6)
          expected.push(best!.height)
          clusters = [...clusters.filter((_, i) => i !== best!.a && i !== best!.b), [...clusters[best!.a]!, ...clusters[best!.b]!]]
        }
        expect(heights.every((height, i) => Math.abs(height - expected[i]!) < 1e-6)).toBe(true)
      }),
    )
  })

  it('joins the lowest of equals first, for even and odd numbers of items', () => {
    for (const items of [1, 2, 3, 7, 8, 30]) {
      const equal = Float64Array.from({ length: items * items }, (_, i) => (Math.floor(i / items) === i % items ? 0 : 1))
      expect(averageLink(equal, items)).toEqual(Array.from({ length: items - 1 }, (_, merge) => ({ a: 0, b: merge + 1, height: 1 })))
    }
  })

  it('keeps what it is given', () => {
    const given = distances([3, 1, 4, 1, 5])
    averageLink(given, 5)
    expect(given).toEqual(distances([3, 1, 4, 1, 5]))
  })

  it('has the silhouette worked out by hand', () => {
    // Two pairs one apart inside and ten apart between: each point (b - 1)/b with b = 10 or 11 mean distance 10.5 or 9.5.
    const width = meanSilhouette(clusterDistances(distances([0, 1, 10, 11]), Int32Array.of(0, 0, 1, 1), 2), Int32Array.of(0, 0, 1, 1))
    expect(width).toBeCloseTo((2 * (9.5 / 10.5) + 2 * (8.5 / 9.5)) / 4, 12)
  })

  it('sums the distances of joined clusters as if they had been one', () => {
    const distance = distances([0, 1, 4, 6, 20])
    const joined = joinClusters(clusterDistances(distance, Int32Array.of(0, 1, 1, 2, 2), 3), [0, 1, 0], 2)
    expect(joined).toEqual(clusterDistances(distance, Int32Array.of(0, 1, 1, 0, 0), 2))
  })
})
