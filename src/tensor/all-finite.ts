/** A tensor in, whether every value of it is a number out. */
import type { Tensor } from './tensor.ts'

/** False where a NaN or an infinity is among the values: 0 times either is NaN. */
export function allFinite({ data }: Tensor): boolean {
  // Four sums, since each addition waits for the one before it; no read beyond the end, which would make all reads slow.
  const whole = data.length - (data.length % 4)
  let [a, b, c, d] = [0, 0, 0, 0]
  for (let i = 0; i < whole; i += 4) {
    a += data[i]! * 0
    b += data[i + 1]! * 0
    c += data[i + 2]! * 0
    d += data[i + 3]! * 0
  }
  for (let i = whole; i < data.length; i++) a += data[i]! * 0
  return a + b + c + d === 0
}
