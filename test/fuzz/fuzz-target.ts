/** What the fuzzing command knows of each thing that it fuzzes: a case is a number, and what became of it. */

/** Taken as if it were whole, refused with the name of the refusal, or a find: a crash, an error of another kind, a broken promise. */
export type FuzzOutcome = { readonly kind: 'taken' } | { readonly kind: 'refused'; readonly code: string } | { readonly kind: 'find'; readonly what: string }

export interface FuzzTarget {
  /** Makes the case of this number and runs it; the same number is the same case. */
  run(number: number): Promise<FuzzOutcome>
  /** What the cases have left behind and should not have; null where all is gone. */
  close(): Promise<string | null>
}

/** A target by the name that the command is given. */
export interface FuzzTargetEntry {
  /** What a case is, in the plural. */
  readonly cases: string
  /** What becomes of a case that is not refused. */
  readonly taken: string
  open(): Promise<FuzzTarget>
}

/** Each is loaded only where it is opened. */
export const FUZZ_TARGETS: Readonly<Record<string, FuzzTargetEntry>> = {
  dicom: { cases: 'mutated DICOM files', taken: 'decoded', open: async () => (await import('./fuzz-dicom.ts')).openDicomTarget() },
  dimse: { cases: 'spoilt DIMSE conversations', taken: 'answered with success', open: async () => (await import('./fuzz-dimse.ts')).openDimseTarget() },
  multipart: { cases: 'spoilt multipart requests', taken: 'answered with success', open: async () => (await import('./fuzz-multipart.ts')).openMultipartTarget() },
}
