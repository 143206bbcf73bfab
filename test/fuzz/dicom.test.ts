/** As many spoilt files as a minute allows in the gate, five seconds elsewhere: each is decoded or refused with a Problem, and the good file behind them still decodes. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { buildDicomSeeds, type FuzzSeed } from './dicom-seeds.ts'
import { buildCase, runCase } from './fuzz-dicom.ts'
import { createRandom } from './random.ts'

/** The most that the gate takes; the time ends it before. */
const MOST_CASES = 200_000
const SECONDS = process.env['CI'] === undefined ? 5 : 60

let seeds: FuzzSeed[] = []
beforeAll(async () => {
  seeds = await buildDicomSeeds()
})

describe('the decoder under spoilt DICOM files', () => {
  it('decodes every seed, so that what is spoilt was whole', async () => {
    expect(seeds.length).toBeGreaterThan(150)
    for (const { name, bytes } of seeds) expect(await runCase(bytes), name).toEqual({ kind: 'decoded' })
  })

  it(`decodes or refuses each of the spoilt files that ${SECONDS} s allow`, async () => {
    const args = ['test/fuzz/run.ts', 'dicom', '--cases', String(MOST_CASES), '--seconds', String(SECONDS), '--json']
    const { stdout } = await promisify(execFile)(process.execPath, args).catch((error: { stdout: string }) => error)
    const { cases, decoded, refused, finds } = JSON.parse(stdout)
    process.stdout.write(`fuzzing: ${cases} spoilt DICOM files in ${SECONDS} s, ${decoded} decoded, ${cases - decoded} refused\n`)
    expect(finds).toEqual([])
    // the mutations reach far: many decode to other pixels, and the refusals are of many kinds
    expect(cases).toBeGreaterThan(100)
    expect(decoded).toBeGreaterThan(cases / 20)
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
