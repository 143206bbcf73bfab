/** As many spoilt files as a minute allows in the gate, five seconds elsewhere: each is decoded or refused with a Problem, and the good file behind them still decodes. */
import { beforeAll, describe, expect, it } from 'vitest'
import { buildDicomSeeds, type FuzzSeed } from './dicom-seeds.ts'
import { buildCase, runCase } from './fuzz-dicom.ts'
import { createRandom } from './random.ts'
import { runFuzz } from './run-fuzz.ts'

const SECONDS = process.env['CI'] === undefined ? 5 : 60

let seeds: FuzzSeed[] = []
beforeAll(async () => {
  seeds = await buildDicomSeeds()
})

describe('the decoder under spoilt DICOM files', () => {
  it('decodes every seed, so that what is spoilt was whole', async () => {
    expect(seeds.length).toBeGreaterThan(150)
    for (const { name, bytes } of seeds) expect(await runCase(bytes), name).toEqual({ kind: 'taken' })
  })

  it(`decodes or refuses each of the spoilt files that ${SECONDS} s allow`, async () => {
    const { cases, taken, refused, finds } = await runFuzz('dicom', SECONDS)
    expect(finds).toEqual([])
    // the mutations reach far: many decode to other pixels, and the refusals are of many kinds
    expect(cases).toBeGreaterThan(100)
    expect(taken).toBeGreaterThan(cases / 20)
    expect(Object.keys(refused).length).toBeGreaterThan(10)
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
