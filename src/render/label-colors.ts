/** A community's label in, its color out. Okabe and Ito, Color Universal Design, 2008: told apart by color-blind readers. */

export type Rgb = readonly [number, number, number]

/** By descending share; black comes last, since it would hide the image under the largest community. */
export const LABEL_COLORS: readonly Rgb[] = [
  [0xe6, 0x9f, 0x00],
  [0x56, 0xb4, 0xe9],
  [0x00, 0x9e, 0x73],
  [0xf0, 0xe4, 0x42],
  [0x00, 0x72, 0xb2],
  [0xd5, 0x5e, 0x00],
  [0xcc, 0x79, 0xa7],
  [0x00, 0x00, 0x00],
]

/** Labels beyond the eighth are one, "other": a gray that deuteranopia keeps 14 CIEDE2000 from every label (#999999 comes within 6 of the seventh). */
export const OTHER_COLOR: Rgb = [0x66, 0x66, 0x66]

export function labelColor(label: number): Rgb {
  return LABEL_COLORS[label] ?? OTHER_COLOR
}

export function labelName(label: number): string {
  return label < LABEL_COLORS.length ? String(label + 1) : 'other'
}
