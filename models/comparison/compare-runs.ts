/** Numbers of several seeds in, their mean, spread and paired difference out. */

export interface Spread {
  readonly seeds: number
  readonly mean: number
  /** n - 1 in its denominator; 0 for one seed. */
  readonly deviation: number
}

export interface PairedDifference {
  readonly pairs: number
  readonly mean: number
  /** 95 %, Student's t of the differences by seed; null for fewer than two pairs. */
  readonly interval: { readonly low: number; readonly high: number } | null
}

export function spreadOf(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { seeds: values.length, mean, deviation: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)) }
}

/** Of the seeds that both have. */
export function pairedDifference(of: ReadonlyMap<number, number>, against: ReadonlyMap<number, number>): PairedDifference {
  const differences = [...of].flatMap(([seed, value]) => {
    const other = against.get(seed)
    return other === undefined ? [] : [value - other]
  })
  const { seeds: pairs, mean, deviation } = spreadOf(differences)
  const t = T_975[pairs - 1]
  if (t === undefined) return { pairs, mean, interval: null }
  const half = (t * deviation) / Math.sqrt(pairs)
  return { pairs, mean, interval: { low: mean - half, high: mean + half } }
}

/** Upper 2.5 % points of Student's t, by degrees of freedom: pairs - 1. Source: any table, such as NIST/SEMATECH e-Handbook 1.3.6.7.2. */
const T_975: readonly (number | undefined)[] = [undefined, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]
