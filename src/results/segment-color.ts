/** A segment's number in, the color that viewers are asked to show it in out. */

/** Okabe and Ito, Color Universal Design, 2008; in the order in which the drawn maps give them to communities. */
const SEGMENT_COLORS: readonly (readonly [number, number, number])[] = [
  [0xe6, 0x9f, 0x00],
  [0x56, 0xb4, 0xe9],
  [0x00, 0x9e, 0x73],
  [0xf0, 0xe4, 0x42],
  [0x00, 0x72, 0xb2],
  [0xd5, 0x5e, 0x00],
  [0xcc, 0x79, 0xa7],
  [0x00, 0x00, 0x00],
]
const OTHER_COLOR = [0x66, 0x66, 0x66] as const

/** sRGB of a segment, 0 to 255; index from 0. */
export const segmentColor = (index: number): readonly [number, number, number] => SEGMENT_COLORS[index] ?? OTHER_COLOR

/**
 * L*, a*, b* of an sRGB color under D50, each scaled to 16 bits (PS3.3 C.10.7.1.1).
 *
 * Source: IEC 61966-2-1 for the transfer function; its primaries adapted to D50 (0.96422, 1, 0.82521) by Bradford's matrix, as ICC profiles have them.
 */
export function toPcsLab([red, green, blue]: readonly [number, number, number]): readonly [number, number, number] {
  const [r, g, b] = [toLinear(red), toLinear(green), toLinear(blue)]
  const x = (0.4360747 * r + 0.3850649 * g + 0.1430804 * b) / 0.96422
  const y = 0.2225045 * r + 0.7168786 * g + 0.0606169 * b
  const z = (0.0139322 * r + 0.0971045 * g + 0.7141733 * b) / 0.82521
  const [fx, fy, fz] = [toLabScale(x), toLabScale(y), toLabScale(z)]
  return [Math.round(((116 * fy - 16) / 100) * 0xffff), to16Bits(500 * (fx - fy)), to16Bits(200 * (fy - fz))]
}

function toLinear(byte: number): number {
  const value = byte / 255
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
}

/** CIE 15, f(t). */
const toLabScale = (t: number): number => (t > (6 / 29) ** 3 ? Math.cbrt(t) : t / (3 * (6 / 29) ** 2) + 4 / 29)

/** -128 to 127 onto 0 to 65535. */
const to16Bits = (value: number): number => Math.round(((value + 128) / 255) * 0xffff)
