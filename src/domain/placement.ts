/** Where the network's input lies on the source image: data that travels with the input, so that every map finds its way back. */

/**
 * The rectangle of the source that the input covers.
 *
 * Coordinates are continuous: pixel (r, c) covers [r, r+1) x [c, c+1), its center is (r + 0.5, c + 0.5).
 * `top`, `left`, `height`, `width` are in source pixels and may reach outside the source, which is padding.
 * `quarterTurns` is how often the rectangle is turned clockwise before it is resized to inputHeight x inputWidth.
 */
export interface Placement {
  readonly sourceRows: number
  readonly sourceColumns: number
  readonly top: number
  readonly left: number
  readonly height: number
  readonly width: number
  readonly quarterTurns: 0 | 1 | 2 | 3
  readonly inputHeight: number
  readonly inputWidth: number
}

/** A continuous position: y downwards (row direction), x to the right (column direction). */
export interface Point {
  readonly y: number
  readonly x: number
}

/** The input position of a source position. The inverse of `toSourcePoint`. */
export function toInputPoint(placement: Placement, source: Point): Point {
  const v = (source.y - placement.top) / placement.height
  const u = (source.x - placement.left) / placement.width
  const turned = turn(v, u, placement.quarterTurns)
  return { y: turned.v * placement.inputHeight, x: turned.u * placement.inputWidth }
}

/** The source position of an input position. The inverse of `toInputPoint`. */
export function toSourcePoint(placement: Placement, input: Point): Point {
  const back = ((4 - placement.quarterTurns) % 4) as Placement['quarterTurns']
  const { v, u } = turn(input.y / placement.inputHeight, input.x / placement.inputWidth, back)
  return { y: placement.top + v * placement.height, x: placement.left + u * placement.width }
}

/** A position of the unit square after so many clockwise quarter turns of the square. */
function turn(v: number, u: number, quarterTurns: Placement['quarterTurns']): { v: number; u: number } {
  switch (quarterTurns) {
    case 0:
      return { v, u }
    case 1:
      return { v: u, u: 1 - v }
    case 2:
      return { v: 1 - v, u: 1 - u }
    case 3:
      return { v: 1 - u, u: v }
  }
}
