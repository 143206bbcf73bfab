/** A tensor whose outer axes change places, the innermost values staying side by side. */
import { bytes } from './lanes.as'

/** Copies `length` values. */
// @ts-ignore: decorator
@inline function copyRow(from: usize, to: usize, length: i32): void {
  const whole = length & ~3
  for (let j = 0; j < whole; j += 4) v128.store(to + bytes(j), v128.load(from + bytes(j)))
  for (let j = whole; j < length; j++) store<f32>(to + bytes(j), load<f32>(from + bytes(j)))
}

/**
 * y := x with its axes in another order.
 *
 * rank   outer axes, at least 1
 * table  three rows of `rank` 32-bit numbers: the sizes of y's outer axes, x's steps along them in values, and room for their counters
 * run    values that stay side by side
 */
export function permuteRows(x: usize, y: usize, rank: i32, table: usize, run: i32): void {
  const steps = table + bytes(rank)
  const counters = steps + bytes(rank)
  let rows = 1
  for (let axis = 0; axis < rank; axis++) {
    rows *= load<i32>(table + bytes(axis))
    store<i32>(counters + bytes(axis), 0)
  }
  let offset = 0
  for (let row = 0; row < rows; row++) {
    copyRow(x + bytes(offset), y + bytes(row * run), run)
    // An odometer: the last axis turns fastest, a full one goes back to 0 and moves the one before it.
    for (let axis = rank - 1; axis >= 0; axis--) {
      const count = load<i32>(counters + bytes(axis)) + 1
      const step = load<i32>(steps + bytes(axis))
      offset += step
      if (count < load<i32>(table + bytes(axis))) {
        store<i32>(counters + bytes(axis), count)
        break
      }
      offset -= step * count
      store<i32>(counters + bytes(axis), 0)
    }
  }
}
