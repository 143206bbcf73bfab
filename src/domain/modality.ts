/** What a file's Modality says of its picture, and whether a model was made for it. */

/** Modalities that don't say what the picture shows. */
const UNTELLING: readonly string[] = ['OT', 'SC']

/** Whether a file says what it shows; PNG and JPEG state nothing. */
export function isTelling(modality: string | null): modality is string {
  return modality !== null && !UNTELLING.includes(modality)
}

/** accepted  of a model's manifest; none for any */
export function isMadeFor(accepted: readonly string[], modality: string | null): boolean {
  return accepted.length === 0 || (modality !== null && accepted.includes(modality))
}
