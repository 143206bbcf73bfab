/** A few thousand spoilt files: each is decoded or refused with a Problem, and the good file behind them still decodes. */
import { beforeAll, describe, expect, it } from 'vitest'
import { buildDicomSeeds, type FuzzSeed } from './dicom-seeds.ts'
import { buildCase, runCase } from './fuzz-dicom.ts'
import { createRandom } from './random.ts'

/** Numbers that this test takes; `npm run fuzz -- dicom` takes as many others as it is asked for. */
const CASES = 3000

let seeds: FuzzSeed[] = []
beforeAll(async () => {
  seeds = await buildDicomSeeds()
})

describe('the decoder under spoilt DICOM files', () => {
  it('decodes every seed, so that what is spoilt was whole', async () => {
    expect(seeds.length).toBeGreaterThan(150)
    for (const { name, bytes } of seeds) expect(await runCase(bytes), name).toEqual({ kind: 'decoded' })
  })

  it(`decodes or refuses each of ${CASES} spoilt files`, async () => {
    const refused = new Set<string>()
    let decoded = 0
    for (let number = 0; number < CASES; number++) {
      const outcome = await runCase(buildCase(seeds, number))
      expect(outcome, `case ${number}`).not.toMatchObject({ kind: 'find' })
      if (outcome.kind === 'refused') refused.add(outcome.code)
      else decoded++
    }
    // the mutations reach far: many decode to other pixels, and the refusals are of many kinds
    expect(decoded).toBeGreaterThan(CASES / 20)
    expect(refused.size).toBeGreaterThan(10)
  }, 300_000)

  it('makes the same case of the same number', () => {
    expect(buildCase(seeds, 41)).toEqual(buildCase(seeds, 41))
    expect(buildCase(seeds, 41)).not.toEqual(buildCase(seeds, 42))
  })
})

it('createRandom gives every number below its limit a chance', () => {
  const random = createRandom(1)
  const seen = new Set(Array.from({ length: 200 }, () => random.below(7)))
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6])
})
