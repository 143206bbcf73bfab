/** How different two colors look, and how one looks with deuteranopia: measures for tests, written from the published formulas. */

export type Color = readonly [number, number, number]
export type Lab = readonly [number, number, number]

const toLinear = (byte: number): number => {
  const value = byte / 255
  return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
}
const toByte = (linear: number): number => {
  const held = Math.max(0, Math.min(1, linear))
  return 255 * (held <= 0.0031308 ? 12.92 * held : 1.055 * held ** (1 / 2.4) - 0.055)
}

/** Y of sRGB (IEC 61966-2-1). */
export const relativeLuminance = ([red, green, blue]: Color): number => 0.2126 * toLinear(red) + 0.7152 * toLinear(green) + 0.0722 * toLinear(blue)

/** Machado, Oliveira and Fernandes, IEEE TVCG 15 (2009) 1291-1298, deuteranomaly of severity 1.0, on linear light. */
export const deuteranopia = (color: Color): Color => {
  const [red, green, blue] = color.map(toLinear) as unknown as Color
  return [
    toByte(0.367322 * red + 0.860646 * green - 0.227968 * blue),
    toByte(0.280085 * red + 0.672501 * green + 0.047413 * blue),
    toByte(-0.01182 * red + 0.04294 * green + 0.968881 * blue),
  ]
}

/** CIELAB under D65. */
export const toLab = (color: Color): Lab => {
  const [red, green, blue] = color.map(toLinear) as unknown as Color
  const f = (t: number): number => (t > 216 / 24389 ? Math.cbrt(t) : ((24389 / 27) * t + 16) / 116)
  const x = f((0.4124564 * red + 0.3575761 * green + 0.1804375 * blue) / 0.95047)
  const y = f(0.2126729 * red + 0.7151522 * green + 0.072175 * blue)
  const z = f((0.0193339 * red + 0.119192 * green + 0.9503041 * blue) / 1.08883)
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)]
}

const radians = (degrees: number): number => (degrees * Math.PI) / 180
const hueOf = (a: number, b: number): number => (a === 0 && b === 0 ? 0 : ((Math.atan2(b, a) * 180) / Math.PI + 360) % 360)

/** CIEDE2000 of two L*a*b* colors. Source: Sharma, Wu and Dalal, Color Res. Appl. 30 (2005) 21-30. */
export const labDifference = ([l1, a1, b1]: Lab, [l2, a2, b2]: Lab): number => {
  const c7 = ((Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2) ** 7
  const g = 0.5 * (1 - Math.sqrt(c7 / (c7 + 25 ** 7)))
  const [a1g, a2g] = [(1 + g) * a1, (1 + g) * a2]
  const [c1, c2] = [Math.hypot(a1g, b1), Math.hypot(a2g, b2)]
  const [h1, h2] = [hueOf(a1g, b1), hueOf(a2g, b2)]
  let dh = c1 * c2 === 0 ? 0 : h2 - h1
  if (dh > 180) dh -= 360
  if (dh < -180) dh += 360
  const dH = 2 * Math.sqrt(c1 * c2) * Math.sin(radians(dh / 2))
  const lm = (l1 + l2) / 2
  const cm = (c1 + c2) / 2
  let hm = h1 + h2
  if (c1 * c2 !== 0) hm = Math.abs(h1 - h2) <= 180 ? hm / 2 : (hm < 360 ? hm + 360 : hm - 360) / 2
  const t = 1 - 0.17 * Math.cos(radians(hm - 30)) + 0.24 * Math.cos(radians(2 * hm)) + 0.32 * Math.cos(radians(3 * hm + 6)) - 0.2 * Math.cos(radians(4 * hm - 63))
  const turn = 30 * Math.exp(-(((hm - 275) / 25) ** 2))
  const rc = 2 * Math.sqrt(cm ** 7 / (cm ** 7 + 25 ** 7))
  const sl = 1 + (0.015 * (lm - 50) ** 2) / Math.sqrt(20 + (lm - 50) ** 2)
  const sc = 1 + 0.045 * cm
  const sh = 1 + 0.015 * cm * t
  const rt = -Math.sin(radians(2 * turn)) * rc
  const dl = (l2 - l1) / sl
  const dc = (c2 - c1) / sc
  const dhs = dH / sh
  return Math.sqrt(dl * dl + dc * dc + dhs * dhs + rt * dc * dhs)
}

/** CIEDE2000 of two sRGB colors. */
export const colorDifference = (first: Color, second: Color): number => labDifference(toLab(first), toLab(second))
