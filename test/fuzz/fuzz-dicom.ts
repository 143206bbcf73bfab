/** Seeds and a range of case numbers in, what became of each case out: every case can be made again from its number alone. */
import { Problem, type ProblemCode } from '../../src/domain/problem.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import type { FuzzSeed } from './dicom-seeds.ts'
import { mutate } from './mutate.ts'
import { createRandom } from './random.ts'

/** 'decoded', the code of a refusal, or a find: an error that is no Problem, or a result that breaks a promise. */
export type FuzzOutcome = { readonly kind: 'decoded' } | { readonly kind: 'refused'; readonly code: ProblemCode } | { readonly kind: 'find'; readonly what: string }

/** The spoilt file of a case. */
export function buildCase(seeds: readonly FuzzSeed[], number: number): Uint8Array {
  const random = createRandom(Math.imul(number + 1, 0x9e3779b1))
  return mutate(random.pick(seeds).bytes, random)
}

/** What the decoder makes of the bytes. */
export async function runCase(bytes: Uint8Array): Promise<FuzzOutcome> {
  try {
    const { image } = await decodeImage(bytes, { frame: 1 })
    return isSound(image.pixels.data) ? { kind: 'decoded' } : { kind: 'find', what: 'a pixel outside [0, 1]' }
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
