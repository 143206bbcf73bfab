/** A grid of values in, what they come to out: extremes with their places, mean, deviation and sum. */
import type { Tensor } from './tensor.ts'

/** From 0, from the upper left. */
export interface GridPlace {
  readonly row: number
  readonly column: number
}

/** In the unit of the values. */
export interface GridStatistics {
  readonly min: number
  readonly max: number
  readonly mean: number
  /** Over all values, divided by their number. */
  readonly standardDeviation: number
  readonly sum: number
  /** The first of equals, row after row. */
  readonly lowest: GridPlace
  readonly highest: GridPlace
}

/**
 * The statistics of a grid, summed in float64 in the order of its rows.
 *
 * grid  [height, width], not empty
 */
export function statisticsOf({ shape, data }: Tensor): GridStatistics {
  const columns = shape[1] ?? 1
  const placeOf = (index: number): GridPlace => ({ row: Math.floor(index / columns), column: index % columns })
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  let sum = 0
  for (let i = 0; i < data.length; i++) {
    min = Math.min(min, data[i]!)
    max = Math.max(max, data[i]!)
    sum += data[i]!
  }
  const mean = sum / data.length
  let squares = 0
  for (let i = 0; i < data.length; i++) squares += (data[i]! - mean) ** 2
  const variance = squares / data.length
  return { min, max, mean, standardDeviation: Math.sqrt(variance), sum, lowest: placeOf(data.indexOf(min)), highest: placeOf(data.indexOf(max)) }
}
