/** A text in, whether it can be a UID out. */
const UID = /^(0|[1-9][0-9]*)(\.[0-9]+)+$/

/** Whether the text is a UID: numbers and dots, no leading zero in the first, at most 64 characters (PS3.5 section 9.1). Leading zeros of later numbers are let pass, as archives do. */
export function isUid(text: string): boolean {
  return text.length <= 64 && UID.test(text)
}
