/** Seeds and a range of case numbers in, what became of each case out: every case can be made again from its number alone. */
import { Problem } from '../../src/domain/problem.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { buildDicomSeeds, type FuzzSeed } from './dicom-seeds.ts'
import type { FuzzOutcome, FuzzTarget } from './fuzz-target.ts'
import { mutate } from './mutate.ts'
import { createCaseRandom } from './random.ts'

export async function openDicomTarget(): Promise<FuzzTarget> {
  const seeds = await buildDicomSeeds()
  return { run: (number) => runCase(buildCase(seeds, number)), close: async () => null }
}

/** The spoilt file of a case. */
export function buildCase(seeds: readonly FuzzSeed[], number: number): Uint8Array {
  const random = createCaseRandom(number)
  return mutate(random.pick(seeds).bytes, random)
}

/** What the decoder makes of the bytes. */
export async function runCase(bytes: Uint8Array): Promise<FuzzOutcome> {
  try {
    const { image } = await decodeImage(bytes, { frame: 1 })
    return isSound(image.pixels.data) ? { kind: 'taken' } : { kind: 'find', what: 'a pixel outside [0, 1]' }
  } catch (error) {
    if (!(error instanceof Problem)) return { kind: 'find', what: String((error as Error)?.stack ?? error) }
    return error.code === 'internal' ? { kind: 'find', what: 'the code "internal"' } : { kind: 'refused', code: error.code }
  }
}

/** NaN fails both comparisons. */
function isSound(pixels: Float32Array): boolean {
  for (const value of pixels) if (!(value >= 0 && value <= 1)) return false
  return true
}
