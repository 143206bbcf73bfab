/** Values of an image in, what is made of each of them out: a table of the values that there are does the work once for each. */
import type { StoredValues } from './stored-values.ts'

/** Images have far more pixels than values: up to this span a table is made of them. */
const MAX_TABLE_SPAN = 65_536

/** Every value that occurs, each once where their span allows a table. */
export function distinctValues(values: StoredValues): Iterable<number> {
  const { min, span } = spanOf(values)
  if (span > MAX_TABLE_SPAN) return values
  const occurs = new Uint8Array(span)
  for (let i = 0; i < values.length; i++) occurs[(values[i] ?? 0) - min] = 1
  return Array.from(occurs.keys())
    .filter((i) => occurs[i] === 1)
    .map((i) => i + min)
}

/** Each value through `show`, which gives the same for the same. */
export function mapValues(values: StoredValues, show: (value: number) => number): Float32Array {
  const { min, span } = spanOf(values)
  const shown = new Float32Array(values.length)
  if (span > MAX_TABLE_SPAN) {
    for (let i = 0; i < values.length; i++) shown[i] = show(values[i] ?? 0)
    return shown
  }
  const table = new Float32Array(span)
  for (let i = 0; i < span; i++) table[i] = show(i + min)
  for (let i = 0; i < values.length; i++) shown[i] = table[(values[i] ?? 0) - min] ?? 0
  return shown
}

interface Span {
  readonly min: number
  readonly span: number
}

/** From where to where a table reaches: over all that the type can hold where that is less work than to look at every value, else over what occurs. */
function spanOf(values: StoredValues): Span {
  const ofType = 2 ** (8 * values.BYTES_PER_ELEMENT)
  if (ofType > MAX_TABLE_SPAN || ofType > values.length) return spanThatOccurs(values)
  const isSigned = values instanceof Int8Array || values instanceof Int16Array
  return { min: isSigned ? -ofType / 2 : 0, span: ofType }
}

function spanThatOccurs(values: StoredValues): Span {
  const { min, max } = rangeThatOccurs(values)
  return { min, span: max - min + 1 }
}

/** The smallest and the largest of some values. */
export function rangeThatOccurs(values: StoredValues): { readonly min: number; readonly max: number } {
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0
    if (value < min) min = value
    if (value > max) max = value
  }
  return { min, max }
}
