/** Whether an image is what the model was trained on: what every answer says of it. */

/** `unusual` lies outside what 99 % of the validation images show, `out-of-scope` outside what 99.9 % show, of another body part, or empty. */
export type ScopeVerdict = 'in-scope' | 'unusual' | 'out-of-scope' | 'not-checked'

/** The verdicts that speak against an image, worst first. */
export const BAD_VERDICTS: readonly ScopeVerdict[] = ['out-of-scope', 'unusual']

export const SCOPE_CHECKS = ['modality', 'body-part', 'view', 'content', 'gray-histogram', 'embedding'] as const
export type ScopeCheck = (typeof SCOPE_CHECKS)[number]

export interface ScopeFinding {
  readonly check: ScopeCheck
  readonly verdict: ScopeVerdict
  /** One sentence, without any patient attribute. */
  readonly detail: string
  /** The defined term that the file states, or the class whose training images lie nearest; null where there is none. */
  readonly value: string | null
  /** Earth mover's distance in gray levels of [0, 1], or Mahalanobis distance; null where nothing is measured. */
  readonly distance: number | null
  readonly unusualAbove: number | null
  readonly outOfScopeAbove: number | null
}

export interface InputCheck {
  /** The worst of the findings; `not-checked` where no finding is bad and the bundle has no statistics of its training images. */
  readonly verdict: ScopeVerdict
  /** The sentences of the findings that the verdict rests on. */
  readonly reasons: readonly string[]
  readonly findings: readonly ScopeFinding[]
  /** Of the network's input: part of the values that are black or white, and entropy of the 32 gray bins in bits. */
  readonly statistics: { readonly saturatedShare: number; readonly entropyBits: number }
}

/** What a DICOM file states of what it shows, as defined terms; null where it states none that is known. PNG and JPEG state nothing. */
export interface StatedAnatomy {
  /** A defined term of Body Part Examined (PS3.16 Annex L). */
  readonly bodyPart: string | null
  /** A defined term of View Position (PS3.3 C.8.11.5). */
  readonly view: string | null
}
