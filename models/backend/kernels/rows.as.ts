/** Row by row: softmax, layer norm, GELU, bias and column sums, each with its derivative. Any row length: the last one to three values go one by one. */
import { bytes, exp1, exp4, fma, maxOfLanes, sumOfLanes } from './lanes.as'

/** y [rows, columns] += bias [columns] */
export function addBias(y: usize, bias: usize, rows: i32, columns: i32): void {
  const whole = columns & ~3
  for (let r = 0; r < rows; r++) {
    const row = y + bytes(r * columns)
    for (let j = 0; j < whole; j += 4) v128.store(row + bytes(j), f32x4.add(v128.load(row + bytes(j)), v128.load(bias + bytes(j))))
    for (let j = whole; j < columns; j++) store<f32>(row + bytes(j), load<f32>(row + bytes(j)) + load<f32>(bias + bytes(j)))
  }
}

/** sums [columns] of x [rows, columns], top to bottom. */
export function columnSums(x: usize, sums: usize, rows: i32, columns: i32): void {
  const whole = columns & ~3
  memory.fill(sums, 0, bytes(columns))
  for (let r = 0; r < rows; r++) {
    const row = x + bytes(r * columns)
    for (let j = 0; j < whole; j += 4) v128.store(sums + bytes(j), f32x4.add(v128.load(sums + bytes(j)), v128.load(row + bytes(j))))
    for (let j = whole; j < columns; j++) store<f32>(sums + bytes(j), load<f32>(sums + bytes(j)) + load<f32>(row + bytes(j)))
  }
}

/** row := softmax(scale row), the maximum taken off first. scale > 0. */
export function softmaxRow(row: usize, length: i32, scale: f32): void {
  const whole = length & ~3
  let lanes = f32x4.splat(-Infinity)
  for (let j = 0; j < whole; j += 4) lanes = f32x4.max(lanes, v128.load(row + bytes(j)))
  let top = maxOfLanes(lanes)
  for (let j = whole; j < length; j++) top = max(top, load<f32>(row + bytes(j)))

  const scale4 = f32x4.splat(scale)
  const shift = f32x4.splat(-top * scale)
  lanes = f32x4.splat(0)
  for (let j = 0; j < whole; j += 4) {
    const e = exp4(fma(v128.load(row + bytes(j)), scale4, shift))
    lanes = f32x4.add(lanes, e)
    v128.store(row + bytes(j), e)
  }
  let sum = sumOfLanes(lanes)
  for (let j = whole; j < length; j++) {
    const e = exp1((load<f32>(row + bytes(j)) - top) * scale)
    sum += e
    store<f32>(row + bytes(j), e)
  }

  const inverse: f32 = <f32>1.0 / sum
  const inverse4 = f32x4.splat(inverse)
  for (let j = 0; j < whole; j += 4) v128.store(row + bytes(j), f32x4.mul(v128.load(row + bytes(j)), inverse4))
  for (let j = whole; j < length; j++) store<f32>(row + bytes(j), load<f32>(row + bytes(j)) * inverse)
}

/** gradient := scale y (gradient - sum(y gradient)), the derivative of softmax(scale x) where y is its value. */
export function softmaxRowGradient(y: usize, gradient: usize, length: i32, scale: f32): void {
  const whole = length & ~3
  let lanes = f32x4.splat(0)
  for (let j = 0; j < whole; j += 4) lanes = fma(v128.load(y + bytes(j)), v128.load(gradient + bytes(j)), lanes)
  let sum = sumOfLanes(lanes)
  for (let j = whole; j < length; j++) sum += load<f32>(y + bytes(j)) * load<f32>(gradient + bytes(j))

  const sum4 = f32x4.splat(sum)
  const scale4 = f32x4.splat(scale)
  for (let j = 0; j < whole; j += 4) {
    const centered = f32x4.sub(v128.load(gradient + bytes(j)), sum4)
    v128.store(gradient + bytes(j), f32x4.mul(f32x4.mul(v128.load(y + bytes(j)), centered), scale4))
  }
  for (let j = whole; j < length; j++) store<f32>(gradient + bytes(j), load<f32>(y + bytes(j)) * (load<f32>(gradient + bytes(j)) - sum) * scale)
}

/** The mean of a row. */
function meanOf(row: usize, length: i32): f32 {
  const whole = length & ~3
  let lanes = f32x4.splat(0)
  for (let j = 0; j < whole; j += 4) lanes = f32x4.add(lanes, v128.load(row + bytes(j)))
  let sum = sumOfLanes(lanes)
  for (let j = whole; j < length; j++) sum += load<f32>(row + bytes(j))
  return sum / <f32>length
}

/** The mean square distance of a row from its mean. */
function varianceOf(row: usize, length: i32, mean: f32): f32 {
  const whole = length & ~3
  const mean4 = f32x4.splat(mean)
  let lanes = f32x4.splat(0)
  for (let j = 0; j < whole; j += 4) {
    const centered = f32x4.sub(v128.load(row + bytes(j)), mean4)
    lanes = fma(centered, centered, lanes)
  }
  let sum = sumOfLanes(lanes)
  for (let j = whole; j < length; j++) {
    const centered = load<f32>(row + bytes(j)) - mean
    sum += centered * centered
  }
  return sum / <f32>length
}

/** y = standard weight + bias, standard = (x - mean) / sqrt(variance + epsilon); `standard` [rows, width] and `inverse` [rows] are kept for the gradient. */
export function layerNorm(x: usize, weight: usize, bias: usize, y: usize, standard: usize, inverse: usize, rows: i32, width: i32, epsilon: f32): void {
  const whole = width & ~3
  for (let r = 0; r < rows; r++) {
    const offset = bytes(r * width)
    const mean = meanOf(x + offset, width)
    const scale: f32 = <f32>1.0 / <f32>Mathf.sqrt(varianceOf(x + offset, width, mean) + epsilon)
    store<f32>(inverse + bytes(r), scale)
    const mean4 = f32x4.splat(mean)
    const scale4 = f32x4.splat(scale)
    for (let j = 0; j < whole; j += 4) {
      const s = f32x4.mul(f32x4.sub(v128.load(x + offset + bytes(j)), mean4), scale4)
      v128.store(standard + offset + bytes(j), s)
      v128.store(y + offset + bytes(j), fma(s, v128.load(weight + bytes(j)), v128.load(bias + bytes(j))))
    }
    for (let j = whole; j < width; j++) {
      const s = (load<f32>(x + offset + bytes(j)) - mean) * scale
      store<f32>(standard + offset + bytes(j), s)
      store<f32>(y + offset + bytes(j), s * load<f32>(weight + bytes(j)) + load<f32>(bias + bytes(j)))
    }
  }
}

/** dx = inverse (g - mean(g) - standard mean(g standard)), g = dy weight; dWeight = sum dy standard, dBias = sum dy, over the rows. */
export function layerNormGradient(dy: usize, standard: usize, inverse: usize, weight: usize, dx: usize, dWeight: usize, dBias: usize, rows: i32, width: i32): void {
  const whole = width & ~3
  memory.fill(dWeight, 0, bytes(width))
  memory.fill(dBias, 0, bytes(width))
  for (let r = 0; r < rows; r++) {
    const offset = bytes(r * width)
    let sums = f32x4.splat(0)
    let products = f32x4.splat(0)
    for (let j = 0; j < whole; j += 4) {
      const d = v128.load(dy + offset + bytes(j))
      const s = v128.load(standard + offset + bytes(j))
      const g = f32x4.mul(d, v128.load(weight + bytes(j)))
      sums = f32x4.add(sums, g)
      products = fma(g, s, products)
      v128.store(dWeight + bytes(j), fma(d, s, v128.load(dWeight + bytes(j))))
      v128.store(dBias + bytes(j), f32x4.add(d, v128.load(dBias + bytes(j))))
    }
    let sum = sumOfLanes(sums)
    let product = sumOfLanes(products)
    for (let j = whole; j < width; j++) {
      const d = load<f32>(dy + offset + bytes(j))
      const s = load<f32>(standard + offset + bytes(j))
      const g = d * load<f32>(weight + bytes(j))
      sum += g
      product += g * s
      store<f32>(dWeight + bytes(j), load<f32>(dWeight + bytes(j)) + d * s)
      store<f32>(dBias + bytes(j), load<f32>(dBias + bytes(j)) + d)
    }
    spreadLayerNormGradient(dy + offset, standard + offset, weight, dx + offset, width, sum / <f32>width, product / <f32>width, load<f32>(inverse + bytes(r)))
  }
}

// @ts-ignore: decorator
@inline function spreadLayerNormGradient(dy: usize, standard: usize, weight: usize, dx: usize, width: i32, mean: f32, meanProduct: f32, inverse: f32): void {
  const whole = width & ~3
  const mean4 = f32x4.splat(mean)
  const product4 = f32x4.splat(meanProduct)
  const inverse4 = f32x4.splat(inverse)
  for (let j = 0; j < whole; j += 4) {
    const g = f32x4.mul(v128.load(dy + bytes(j)), v128.load(weight + bytes(j)))
    const centered = f32x4.sub(f32x4.sub(g, mean4), f32x4.mul(v128.load(standard + bytes(j)), product4))
    v128.store(dx + bytes(j), f32x4.mul(inverse4, centered))
  }
  for (let j = whole; j < width; j++) {
    const g = load<f32>(dy + bytes(j)) * load<f32>(weight + bytes(j))
    store<f32>(dx + bytes(j), inverse * (g - mean - load<f32>(standard + bytes(j)) * meanProduct))
  }
}

/**
 * The normal distribution function, absolute error below 1.5e-7, from x and density = exp(-x^2 / 2).
 *
 * Source: Abramowitz and Stegun 7.1.26 for erfc(|x| / sqrt 2); negative x takes the small tail itself.
 */
// @ts-ignore: decorator
@inline function normalDistribution(x: v128, density: v128): v128 {
  const one = f32x4.splat(1)
  const z = f32x4.mul(f32x4.abs(x), f32x4.splat(0.70710678))
  const t = f32x4.div(one, fma(z, f32x4.splat(0.3275911), one))
  let p = f32x4.splat(1.061405429)
  p = fma(p, t, f32x4.splat(-1.453152027))
  p = fma(p, t, f32x4.splat(1.421413741))
  p = fma(p, t, f32x4.splat(-0.284496736))
  p = fma(p, t, f32x4.splat(0.254829592))
  const tail = f32x4.mul(f32x4.mul(f32x4.mul(p, t), density), f32x4.splat(0.5))
  return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, f32x4.splat(0)))
}

// @ts-ignore: decorator
@inline function gelu4(x: v128): v128 {
  return f32x4.mul(x, normalDistribution(x, exp4(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5)))))
}

/** d(x Phi(x)) / dx = Phi(x) + x phi(x), times dy. */
// @ts-ignore: decorator
@inline function geluGradient4(x: v128, dy: v128): v128 {
  const density = exp4(f32x4.mul(f32x4.mul(x, x), f32x4.splat(-0.5)))
  return f32x4.mul(dy, fma(f32x4.mul(x, density), f32x4.splat(0.39894228), normalDistribution(x, density)))
}

/** y = x Phi(x), Phi the normal distribution function. */
export function gelu(x: usize, y: usize, length: i32): void {
  const whole = length & ~3
  for (let i = 0; i < whole; i += 4) v128.store(y + bytes(i), gelu4(v128.load(x + bytes(i))))
  for (let i = whole; i < length; i++) store<f32>(y + bytes(i), f32x4.extract_lane(gelu4(v128.load32_splat(x + bytes(i))), 0))
}

export function geluGradient(x: usize, dy: usize, dx: usize, length: i32): void {
  const whole = length & ~3
  for (let i = 0; i < whole; i += 4) v128.store(dx + bytes(i), geluGradient4(v128.load(x + bytes(i)), v128.load(dy + bytes(i))))
  for (let i = whole; i < length; i++) store<f32>(dx + bytes(i), f32x4.extract_lane(geluGradient4(v128.load32_splat(x + bytes(i)), v128.load32_splat(dy + bytes(i))), 0))
}
