/** A number of nodes in, the Gauss-Legendre rule on [0, 1] out. */

export interface Quadrature {
  /** Ascending, inside (0, 1). */
  readonly nodes: Float64Array
  /** Sum to 1. */
  readonly weights: Float64Array
}

const NEWTON_STEPS = 12

/**
 * The rule that integrates polynomials of degree 2 count - 1 exactly.
 *
 * Source: roots of the Legendre polynomial by Newton's method from the Tricomi estimate; Abramowitz and Stegun 25.4.29.
 */
export function gaussLegendre(count: number): Quadrature {
  const nodes = new Float64Array(count)
  const weights = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    let x = Math.cos((Math.PI * (i + 0.75)) / (count + 0.5))
    for (let step = 0; step < NEWTON_STEPS; step++) {
      const { value, slope } = legendre(count, x)
      x -= value / slope
    }
    const { slope } = legendre(count, x)
    nodes[count - 1 - i] = (1 + x) / 2
    weights[count - 1 - i] = 1 / ((1 - x * x) * slope * slope)
  }
  return { nodes, weights }
}

/** The Legendre polynomial of this degree and its derivative at x. */
function legendre(degree: number, x: number): { readonly value: number; readonly slope: number } {
  let before = 1
  let value = x
  for (let k = 2; k <= degree; k++) [before, value] = [value, ((2 * k - 1) * x * value - (k - 1) * before) / k]
  if (degree === 1) return { value: x, slope: 1 }
  return { value, slope: (degree * (x * value - before)) / (x * x - 1) }
}
