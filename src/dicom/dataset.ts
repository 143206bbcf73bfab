/** The shape of a dataset that we write: keywords as in PS3.6, each with values of its own representation. */
import type { KEYWORDS, Keyword } from './keywords.ts'

type OneOrMore<T> = T | readonly T[]

/** What each value representation takes (PS3.5 section 6.2). Lower case stands for a choice that the writer makes. */
interface ValueByRepresentation {
  readonly AE: OneOrMore<string>
  readonly AS: OneOrMore<string>
  /** The attribute is named by its keyword. */
  readonly AT: OneOrMore<Keyword>
  readonly CS: OneOrMore<string>
  readonly DA: OneOrMore<string>
  readonly DS: OneOrMore<number | string>
  readonly DT: OneOrMore<string>
  readonly FD: OneOrMore<number>
  readonly FL: OneOrMore<number>
  readonly IS: OneOrMore<number | string>
  readonly LO: OneOrMore<string>
  readonly LT: string
  readonly OB: Uint8Array
  readonly OD: Float64Array
  readonly OF: Float32Array
  readonly OL: Uint32Array
  readonly OV: BigUint64Array
  readonly OW: Uint8Array | Uint16Array
  readonly PN: OneOrMore<string>
  readonly SH: OneOrMore<string>
  readonly SL: OneOrMore<number>
  readonly SQ: readonly NewDataset[]
  readonly SS: OneOrMore<number>
  readonly ST: string
  readonly SV: OneOrMore<bigint>
  readonly TM: OneOrMore<string>
  readonly UC: OneOrMore<string>
  readonly UI: OneOrMore<string>
  readonly UL: OneOrMore<number>
  readonly UN: Uint8Array
  readonly UR: string
  readonly US: OneOrMore<number>
  readonly UT: string
  readonly UV: OneOrMore<bigint>
  /** OW where BitsAllocated is above 8, OB otherwise (PS3.5 section 8.2). */
  readonly ox: Uint8Array | Uint16Array | Int16Array
  /** SS where PixelRepresentation is 1, US otherwise. */
  readonly xs: OneOrMore<number>
  /** Always OW. */
  readonly lt: Uint8Array | Uint16Array
}

type ValueOf<K extends Keyword> = (typeof KEYWORDS)[K] extends `${string} ${infer Vr extends keyof ValueByRepresentation}` ? ValueByRepresentation[Vr] : never

/** A dataset, or an item of a sequence. `null` is an element without a value (type 2), `undefined` no element at all. */
export type NewDataset = { readonly [K in Keyword]?: ValueOf<K> | null | undefined }

/** A dataset that is an instance: it names its class and itself. */
export type NewInstance = Omit<NewDataset, 'SOPClassUID' | 'SOPInstanceUID'> & { readonly SOPClassUID: string; readonly SOPInstanceUID: string }
