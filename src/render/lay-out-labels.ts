/** Labels that belong to places of a bar in, where each is written out: none over another, none beyond the bar. */

/** A text of `length` pixels that belongs to the place `at` of the bar; all in pixels from the bar's left end. */
export interface BarLabel {
  readonly at: number
  readonly length: number
}

/** `left` in pixels from the bar's left end, `row` from 0 downwards. */
export interface LabelPlace {
  readonly left: number
  readonly row: number
}

/**
 * A place for each label, in their order: centered at its place but inside the bar's width, in the first row in which it keeps `gap` pixels from those before it.
 *
 * A label longer than the bar begins at its left end and has a row for itself.
 */
export function layOutLabels(labels: readonly BarLabel[], width: number, gap: number): readonly LabelPlace[] {
  const rows: Span[][] = []
  return labels.map(({ at, length }) => {
    const left = Math.max(0, Math.min(width - length, at - Math.round(length / 2)))
    const span = { from: left, to: left + length + gap }
    const free = rows.findIndex((taken) => taken.every((other) => span.to <= other.from || other.to <= span.from))
    const row = free < 0 ? rows.length : free
    rows[row] = [...(rows[row] ?? []), span]
    return { left, row }
  })
}

interface Span {
  readonly from: number
  readonly to: number
}

/** How many rows the places take. */
export function rowsOf(places: readonly LabelPlace[]): number {
  return places.reduce((most, { row }) => Math.max(most, row + 1), 0)
}
