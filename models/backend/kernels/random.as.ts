/** Keys and counters in, uniform numbers out: src/tensor/counter-random.ts, four lanes at a time, the same bits. */

/** lowbias32 of each lane. */
// @ts-ignore: decorator
@inline export function hash4(x: v128): v128 {
  x = v128.xor(x, i32x4.shr_u(x, 16))
  x = i32x4.mul(x, i32x4.splat(0x7feb352d))
  x = v128.xor(x, i32x4.shr_u(x, 15))
  x = i32x4.mul(x, i32x4.splat(0x846ca68b))
  return v128.xor(x, i32x4.shr_u(x, 16))
}

/** The hash of a counter, which every key shares. */
// @ts-ignore: decorator
@inline export function hash1(x: u32): u32 {
  return i32x4.extract_lane(hash4(i32x4.splat(x)), 0)
}

/** Uniforms in [0, 1), multiples of 2^-24, of one key and four hashed counters. */
// @ts-ignore: decorator
@inline export function uniform4(key: u32, hashedCounters: v128): v128 {
  const bits = hash4(v128.xor(i32x4.splat(key), hashedCounters))
  return f32x4.mul(f32x4.convert_i32x4_u(i32x4.shr_u(bits, 8)), f32x4.splat(5.9604644775390625e-8))
}

// @ts-ignore: decorator
@inline export function uniform1(key: u32, hashedCounter: u32): f32 {
  return f32x4.extract_lane(uniform4(key, i32x4.splat(hashedCounter)), 0)
}
