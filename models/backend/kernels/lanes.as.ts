/**
 * Four float32 lanes at a time: addresses, fused multiply-add, sums, exp and tanh.
 *
 * AssemblyScript, not TypeScript: compiled by compile-kernels.ts. Every address is a byte offset in the TF.js wasm backend's memory.
 */

/** Bytes of `count` float32 values. */
// @ts-ignore: decorator
@inline export function bytes(count: i32): usize {
  return <usize>count << 2
}

/** a b + c: one rounding where relaxed SIMD gives it, two elsewhere. */
// @ts-ignore: decorator
@inline export function fma(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c)
  return f32x4.add(f32x4.mul(a, b), c)
}

// @ts-ignore: decorator
@inline export function sumOfLanes(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
}

// @ts-ignore: decorator
@inline export function maxOfLanes(v: v128): f32 {
  return max(max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)), max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)))
}

/**
 * exp(x), relative error below 2e-7 in [-87, 88]; outside it is held at the ends.
 *
 * Source: Cephes expf: x = n ln 2 + r, ln 2 in two parts, a polynomial of degree 5 in r.
 */
// @ts-ignore: decorator
@inline export function exp4(x: v128): v128 {
  const held = f32x4.max(f32x4.min(x, f32x4.splat(88.0)), f32x4.splat(-87.0))
  const n = f32x4.nearest(f32x4.mul(held, f32x4.splat(1.44269504)))
  let r = fma(n, f32x4.splat(-0.693359375), held)
  r = fma(n, f32x4.splat(2.1219444e-4), r)
  let p = f32x4.splat(1.98756915e-4)
  p = fma(p, r, f32x4.splat(1.3981999507e-3))
  p = fma(p, r, f32x4.splat(8.3334519073e-3))
  p = fma(p, r, f32x4.splat(4.1665795894e-2))
  p = fma(p, r, f32x4.splat(1.6666665459e-1))
  p = fma(p, r, f32x4.splat(5.0000001201e-1))
  const mantissa = f32x4.add(fma(p, f32x4.mul(r, r), r), f32x4.splat(1.0))
  const exponent = i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23)
  return f32x4.mul(mantissa, exponent)
}

// @ts-ignore: decorator
@inline export function exp1(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0)
}

/** tanh(x) = 1 - 2 / (exp(2x) + 1), absolute error below 2e-7. */
// @ts-ignore: decorator
@inline export function tanh4(x: v128): v128 {
  const e = exp4(f32x4.add(x, x))
  return f32x4.sub(f32x4.splat(1), f32x4.div(f32x4.splat(2), f32x4.add(e, f32x4.splat(1))))
}

// @ts-ignore: decorator
@inline export function tanh1(x: f32): f32 {
  return f32x4.extract_lane(tanh4(f32x4.splat(x)), 0)
}
