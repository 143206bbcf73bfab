/** A file of the corpus in, what became of it out: its values against the reference's, or the code it was refused with. Each file is decoded once. */
import { createHash } from 'node:crypto'
import type { DecodedImage } from '../../src/domain/image.ts'
import { Problem, type ProblemCode } from '../../src/domain/problem.ts'
import { openDicom, toDecodedImage } from '../../src/imaging/decode-dicom.ts'
import { findFormat } from '../../src/imaging/find-format.ts'
import { dtypeOf, type StoredValues } from '../../src/imaging/stored-values.ts'
import { type Reference, readCorpusBytes } from './corpus.ts'

export interface Decoded {
  readonly frames: readonly StoredValues[]
  /** What is shown of the first frame. */
  readonly first: DecodedImage
}

export type Outcome =
  | { readonly kind: 'exact' }
  | { readonly kind: 'within'; readonly tolerance: number }
  | { readonly kind: 'refused'; readonly code: ProblemCode }
  /** Decoded, and no independent decoder could be asked. */
  | { readonly kind: 'unwitnessed' }
  | { readonly kind: 'differs'; readonly how: string }

const decoded = new Map<string, Promise<Decoded>>()

/** Every frame of the file. Throws the Problem that it is refused with. */
export function decodeCorpusFile(name: string): Promise<Decoded> {
  const known = decoded.get(name) ?? decodeAll(readCorpusBytes(name))
  decoded.set(name, known)
  return known
}

async function decodeAll(bytes: Uint8Array): Promise<Decoded> {
  if (findFormat(bytes) !== 'dicom') throw new Error('a file of the corpus is taken for a PNG or JPEG')
  const opened = openDicom(bytes)
  const stored = await opened.decodeFrame(1)
  const frames = [stored.values]
  for (let frame = 2; frame <= opened.description.numberOfFrames; frame++) frames.push((await opened.decodeFrame(frame)).values)
  return { frames, first: toDecodedImage(opened, stored, 1) }
}

/** The file against its reference by the rules of the corpus' README: the hash where it equals, else the stated tolerance. */
export async function outcomeOf(name: string, reference: Reference | undefined): Promise<Outcome> {
  try {
    const { frames } = await decodeCorpusFile(name)
    return reference?.sha256 === undefined ? { kind: 'unwitnessed' } : compare(frames, reference)
  } catch (error) {
    if (error instanceof Problem) return { kind: 'refused', code: error.code }
    throw error
  }
}

function compare(frames: readonly StoredValues[], { shape = [], dtype, sha256, tolerance, samples = [], mean = Number.NaN }: Reference): Outcome {
  const [first = new Uint8Array(0)] = frames
  const frameLength = shape.slice(1).reduce((product, axis) => product * axis, 1)
  if (frames.length !== shape[0] || first.length !== frameLength) return { kind: 'differs', how: `${frames.length} frames of ${first.length} values` }
  if (dtypeOf(first) !== dtype) return { kind: 'differs', how: `values are ${dtypeOf(first)}` }
  if (sha256Of(frames) === sha256) return { kind: 'exact' }
  if (tolerance === 0) return { kind: 'differs', how: 'another hash' }
  const largest = Math.max(...samples.map(([index, value]) => Math.abs(frames[Math.floor(index / frameLength)]![index % frameLength]! - value)))
  const meanDifference = Math.abs(meanOf(frames) - mean)
  if (samples.length === 0 || !(largest <= tolerance) || !(meanDifference <= tolerance / 10)) return { kind: 'differs', how: `by ${largest}, the mean by ${meanDifference}` }
  return { kind: 'within', tolerance }
}

export function sha256Of(frames: readonly StoredValues[]): string {
  const hash = createHash('sha256')
  for (const values of frames) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  return hash.digest('hex')
}

export function meanOf(frames: readonly StoredValues[]): number {
  let sum = 0
  for (const values of frames) for (let i = 0; i < values.length; i++) sum += values[i]!
  return sum / (frames.length * frames[0]!.length)
}
