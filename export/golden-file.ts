/** golden.json: a few inputs with the outputs that TF.js computed, in a form that any language reads; what a port of the bundle must meet. */
import type { Manifest } from '../src/domain/manifest.ts'
import { Problem } from '../src/domain/problem.ts'
import { sizeOf, type Tensor, tensorOf } from '../src/tensor/tensor.ts'

/** A tensor as JSON: float32, little-endian, row-major, base64. */
export interface EncodedTensor {
  readonly shape: readonly number[]
  readonly float32: string
}

/** One batch. `inputs` and `outputs` are named as the graph names them. */
export interface GoldenCase {
  readonly case: string
  readonly inputs: Readonly<Record<string, EncodedTensor | { readonly shape: readonly number[]; readonly uint32: readonly number[] }>>
  readonly outputs: Readonly<Record<string, EncodedTensor>>
}

export interface GoldenFile {
  readonly about: string
  readonly computedBy: string
  readonly because: string
  readonly tolerance: Manifest['parity']
  readonly cases: readonly GoldenCase[]
}

export const ABOUT_GOLDEN =
  'Each tensor is float32, little-endian, row-major, base64. Feed `inputs`, fetch the names of `outputs`, and compare: |actual - expected| <= absolute + relative |expected|. Logits must be met; other outputs where the port gives them.'

export function encodeTensor({ shape, data }: Tensor): EncodedTensor {
  return { shape, float32: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64') }
}

/** Throws: "bundle-refused" where the data does not fill the shape. */
export function decodeTensor({ shape, float32 }: EncodedTensor): Tensor {
  const bytes = Uint8Array.from(Buffer.from(float32, 'base64'))
  if (bytes.length !== 4 * sizeOf(shape)) throw new Problem('bundle-refused', 'a tensor of golden.json does not fill its shape', { reason: 'unparseable' })
  return tensorOf(new Float32Array(bytes.buffer), shape)
}

/** Throws: "bundle-refused" for a text that is no golden file. */
export function parseGoldenFile(text: string): GoldenFile {
  const refuse = (cause?: unknown): Problem => new Problem('bundle-refused', 'golden.json cannot be read', { reason: 'unparseable' }, cause)
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw refuse(cause)
  }
  if (typeof parsed !== 'object' || parsed === null || !('cases' in parsed) || !Array.isArray(parsed.cases) || parsed.cases.length === 0) throw refuse()
  return parsed as GoldenFile
}
