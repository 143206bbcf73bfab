/** Lines in a unit of their own in, a chart as inline SVG out: no script, no font, no file beside it. */

export interface ChartLine {
  readonly label: string
  readonly points: readonly (readonly [number, number])[]
  readonly dashed?: boolean
  /** A dot at each point. */
  readonly dots?: boolean
}

export interface Chart {
  readonly title: string
  readonly x: { readonly label: string; readonly min: number; readonly max: number }
  readonly y: { readonly label: string; readonly min: number; readonly max: number }
  readonly lines: readonly ChartLine[]
}

const WIDTH = 460
const HEIGHT = 340
const FRAME = { left: 58, right: 16, top: 34, bottom: 46 } as const
/** Okabe and Ito, without yellow, which vanishes on white. */
const COLORS = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#56B4E9', '#E69F00', '#000000'] as const
const TICKS = 5

export function drawChart({ title, x, y, lines }: Chart): string {
  const [innerWidth, innerHeight] = [WIDTH - FRAME.left - FRAME.right, HEIGHT - FRAME.top - FRAME.bottom]
  const atX = (value: number): number => FRAME.left + (innerWidth * (value - x.min)) / (x.max - x.min || 1)
  const atY = (value: number): number => FRAME.top + innerHeight * (1 - (value - y.min) / (y.max - y.min || 1))
  const place = (value: number): string => value.toFixed(1)
  const grid = Array.from({ length: TICKS + 1 }, (_, i) => i / TICKS).flatMap((share) => {
    const [valueX, valueY] = [x.min + share * (x.max - x.min), y.min + share * (y.max - y.min)]
    return [
      `<line x1="${place(atX(valueX))}" y1="${FRAME.top}" x2="${place(atX(valueX))}" y2="${FRAME.top + innerHeight}" stroke="#ddd"/>`,
      `<line x1="${FRAME.left}" y1="${place(atY(valueY))}" x2="${FRAME.left + innerWidth}" y2="${place(atY(valueY))}" stroke="#ddd"/>`,
      `<text x="${place(atX(valueX))}" y="${FRAME.top + innerHeight + 16}" text-anchor="middle">${tick(valueX, x.max - x.min)}</text>`,
      `<text x="${FRAME.left - 6}" y="${place(atY(valueY) + 4)}" text-anchor="end">${tick(valueY, y.max - y.min)}</text>`,
    ]
  })
  const drawn = lines.flatMap(({ points, dashed, dots }, i) => {
    const color = COLORS[i % COLORS.length]
    const path = points.map(([px, py]) => `${place(atX(px))},${place(atY(py))}`).join(' ')
    const circles = dots === true ? points.map(([px, py]) => `<circle cx="${place(atX(px))}" cy="${place(atY(py))}" r="3" fill="${color}"/>`) : []
    return [`<polyline points="${path}" fill="none" stroke="${color}" stroke-width="1.8"${dashed === true ? ' stroke-dasharray="5 4"' : ''}/>`, ...circles]
  })
  const key = lines.map(({ label }, i) => `<span style="color:${COLORS[i % COLORS.length]}">&#9644;</span> ${escapeText(label)}`)
  return [
    '<figure>',
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-label="${escapeText(title)}" font-family="sans-serif" font-size="11" fill="#222">`,
    `<text x="${FRAME.left}" y="20" font-size="14" font-weight="bold">${escapeText(title)}</text>`,
    ...grid,
    `<rect x="${FRAME.left}" y="${FRAME.top}" width="${innerWidth}" height="${innerHeight}" fill="none" stroke="#888"/>`,
    ...drawn,
    `<text x="${FRAME.left + innerWidth / 2}" y="${HEIGHT - 8}" text-anchor="middle">${escapeText(x.label)}</text>`,
    `<text transform="translate(14 ${FRAME.top + innerHeight / 2}) rotate(-90)" text-anchor="middle">${escapeText(y.label)}</text>`,
    '</svg>',
    `<figcaption>${key.join(' &nbsp; ')}</figcaption>`,
    '</figure>',
  ].join('\n')
}

function tick(value: number, extent: number): string {
  return value.toFixed(extent >= 5 ? 0 : extent >= 0.5 ? 1 : extent >= 0.05 ? 2 : 3)
}

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
