/** One weight tensor, its gradient and its moments in; all three updated in place. */
import { bytes, fma } from './lanes.as'

/** The sum of squares, in float64: for the gradient's norm. */
export function sumOfSquares(x: usize, length: i32): f64 {
  let sum: f64 = 0
  for (let i = 0; i < length; i++) {
    const value = <f64>load<f32>(x + bytes(i))
    sum += value * value
  }
  return sum
}

/** averaged := averaged + share (current - averaged) */
export function moveTowards(averaged: usize, current: usize, length: i32, share: f32): void {
  for (let i = 0; i < length; i++) {
    const old = load<f32>(averaged + bytes(i))
    store<f32>(averaged + bytes(i), old + share * (load<f32>(current + bytes(i)) - old))
  }
}

/**
 * AdamW (Loshchilov, Hutter, arXiv:1711.05101): m := b1 m + (1 - b1) g, v := b2 v + (1 - b2) g^2,
 * p := keep p - rate m / (sqrt(v correction2) + epsilon).
 *
 * gradientScale  what g is multiplied by first (clipping)
 * keep           1 - learning rate x weight decay
 * rate           learning rate / (1 - b1^t)
 * correction2    1 / (1 - b2^t)
 */
export function adamw(p: usize, g: usize, m: usize, v: usize, length: i32, gradientScale: f32, b1: f32, b2: f32, rate: f32, correction2: f32, epsilon: f32, keep: f32): void {
  const whole = length & ~3
  const scale4 = f32x4.splat(gradientScale)
  for (let i = 0; i < whole; i += 4) {
    const o = bytes(i)
    const gradient = f32x4.mul(v128.load(g + o), scale4)
    const first = fma(f32x4.splat(b1), v128.load(m + o), f32x4.mul(f32x4.splat(<f32>1 - b1), gradient))
    const second = fma(f32x4.splat(b2), v128.load(v + o), f32x4.mul(f32x4.splat(<f32>1 - b2), f32x4.mul(gradient, gradient)))
    v128.store(m + o, first)
    v128.store(v + o, second)
    const root = f32x4.add(f32x4.sqrt(f32x4.mul(second, f32x4.splat(correction2))), f32x4.splat(epsilon))
    v128.store(p + o, f32x4.sub(f32x4.mul(v128.load(p + o), f32x4.splat(keep)), f32x4.div(f32x4.mul(first, f32x4.splat(rate)), root)))
  }
  for (let i = whole; i < length; i++) {
    const o = bytes(i)
    const gradient = load<f32>(g + o) * gradientScale
    const first = b1 * load<f32>(m + o) + (<f32>1 - b1) * gradient
    const second = b2 * load<f32>(v + o) + (<f32>1 - b2) * gradient * gradient
    store<f32>(m + o, first)
    store<f32>(v + o, second)
    store<f32>(p + o, load<f32>(p + o) * keep - (first * rate) / (<f32>Mathf.sqrt(second * correction2) + epsilon))
  }
}
