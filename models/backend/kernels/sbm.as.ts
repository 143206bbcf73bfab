/**
 * Attention over sampled edges: A ~ Bernoulli(clamp(P + delta)), P = (Y S) Z', softmax over the kept keys; backward by the straight-through estimator.
 *
 * Source: models 2.1. P and the mask need not be kept for the backward pass: on an edge p / s is the attention a itself, and a > 0 tells the edges.
 * Layouts: qkv as in attention.as.ts; queryAffinity Y S and keyLoading Z [batch, head, token, community]; weights a [batch, head, token, token].
 */
import { gemm } from './gemm.as'
import { bytes, exp1, exp4, maxOfLanes, sumOfLanes } from './lanes.as'
import { hash1, uniform1, uniform4 } from './random.as'
import { softmaxRowGradient } from './rows.as'

/** Below any score, and finite. */
const NO_EDGE: f32 = -1e30

/** Hashes of the counters 0 to length - 1, which do not depend on the image. */
function hashCounters(to: usize, length: i32): void {
  for (let counter = 0; counter < length; counter++) store<u32>(to + bytes(counter), hash1(counter))
}

/** edges row := 1 where u < P + delta, else 0; on entry it holds P. */
// @ts-ignore: decorator
@inline function drawRow(edges: usize, hashes: usize, length: i32, key: u32, delta: f32): void {
  const whole = length & ~3
  const one = f32x4.splat(1)
  for (let j = 0; j < whole; j += 4) {
    const chance = f32x4.add(v128.load(edges + bytes(j)), f32x4.splat(delta))
    v128.store(edges + bytes(j), v128.and(f32x4.lt(uniform4(key, v128.load(hashes + bytes(j))), chance), one))
  }
  for (let j = whole; j < length; j++) store<f32>(edges + bytes(j), uniform1(key, load<u32>(hashes + bytes(j))) < load<f32>(edges + bytes(j)) + delta ? 1 : 0)
}

/** Sets the forced entries of row r to `value`; returns how many they are. */
function setForced(row: usize, r: i32, length: i32, value: f32, classTokenAlwaysOn: bool, selfLoop: bool): i32 {
  if (classTokenAlwaysOn && r == 0) {
    for (let j = 0; j < length; j++) store<f32>(row + bytes(j), value)
    return length
  }
  let forced = 0
  if (classTokenAlwaysOn) {
    store<f32>(row, value)
    forced++
  }
  if (selfLoop) {
    store<f32>(row + bytes(r), value)
    if (r > 0 || !classTokenAlwaysOn) forced++
  }
  return forced
}

function sumOfRow(row: usize, length: i32): f32 {
  const whole = length & ~3
  let lanes = f32x4.splat(0)
  for (let j = 0; j < whole; j += 4) lanes = f32x4.add(lanes, v128.load(row + bytes(j)))
  let sum = sumOfLanes(lanes)
  for (let j = whole; j < length; j++) sum += load<f32>(row + bytes(j))
  return sum
}

/** scores row := softmax(scale scores) over the edges, 0 elsewhere; all 0 where there is no edge. */
function softmaxOverEdges(scores: usize, edges: usize, length: i32, scale: f32): void {
  const whole = length & ~3
  const none = f32x4.splat(NO_EDGE)
  const zero = f32x4.splat(0)
  let lanes = none
  for (let j = 0; j < whole; j += 4) {
    const kept = v128.bitselect(v128.load(scores + bytes(j)), none, f32x4.gt(v128.load(edges + bytes(j)), zero))
    lanes = f32x4.max(lanes, kept)
  }
  let top = maxOfLanes(lanes)
  for (let j = whole; j < length; j++) if (load<f32>(edges + bytes(j)) > 0) top = max(top, load<f32>(scores + bytes(j)))

  const top4 = f32x4.splat(top)
  const scale4 = f32x4.splat(scale)
  lanes = zero
  for (let j = 0; j < whole; j += 4) {
    const power = exp4(f32x4.mul(f32x4.sub(v128.load(scores + bytes(j)), top4), scale4))
    const e = v128.and(power, f32x4.gt(v128.load(edges + bytes(j)), zero))
    lanes = f32x4.add(lanes, e)
    v128.store(scores + bytes(j), e)
  }
  let sum = sumOfLanes(lanes)
  for (let j = whole; j < length; j++) {
    const e: f32 = load<f32>(edges + bytes(j)) > 0 ? exp1((load<f32>(scores + bytes(j)) - top) * scale) : 0
    sum += e
    store<f32>(scores + bytes(j), e)
  }

  const inverse: f32 = <f32>1 / max<f32>(sum, 1e-12)
  const inverse4 = f32x4.splat(inverse)
  for (let j = 0; j < whole; j += 4) v128.store(scores + bytes(j), f32x4.mul(v128.load(scores + bytes(j)), inverse4))
  for (let j = whole; j < length; j++) store<f32>(scores + bytes(j), load<f32>(scores + bytes(j)) * inverse)
}

/**
 * Writes weights and out whole; returns how many edges there are among the entries that are not forced.
 *
 * keys     [batch], 32-bit keys, one an image
 * scratch  holds [token, token] and [head, token, token]
 */
export function sbmAttention(workspace: usize, scratch: usize, qkv: usize, queryAffinity: usize, keyLoading: usize, keys: usize, weights: usize, out: usize, batch: i32, tokens: i32, heads: i32, headWidth: i32, communities: i32, scale: f32, delta: f32, classTokenAlwaysOn: bool, selfLoop: bool): i32 {
  const width = heads * headWidth
  const step = 3 * width
  const edges = scratch
  const hashes = edges + bytes(tokens * tokens)
  let count = 0
  hashCounters(hashes, heads * tokens * tokens)
  for (let i = 0; i < batch; i++) {
    const key = load<u32>(keys + bytes(i))
    for (let h = 0; h < heads; h++) {
      const head = i * heads + h
      const q = qkv + bytes(i * tokens * step + h * headWidth)
      const k = q + bytes(width)
      const v = k + bytes(width)
      const a = weights + bytes(head * tokens * tokens)
      const ys = queryAffinity + bytes(head * tokens * communities)
      const z = keyLoading + bytes(head * tokens * communities)
      gemm(workspace, tokens, tokens, communities, ys, communities, 1, z, 1, communities, edges, tokens, false)
      gemm(workspace, tokens, tokens, headWidth, q, step, 1, k, 1, step, a, tokens, false)
      for (let r = 0; r < tokens; r++) {
        const row = edges + bytes(r * tokens)
        drawRow(row, hashes + bytes((h * tokens + r) * tokens), tokens, key, delta)
        const forced = setForced(row, r, tokens, 1, classTokenAlwaysOn, selfLoop)
        count += <i32>sumOfRow(row, tokens) - forced
        softmaxOverEdges(a + bytes(r * tokens), row, tokens, scale)
      }
      gemm(workspace, tokens, headWidth, tokens, a, tokens, 1, v, step, 1, out + bytes(i * tokens * width + h * headWidth), width, false)
    }
  }
  return count
}

/** dP row := clip(dScores + densityGradient) on the edges, 0 elsewhere; the scores' gradient leaves multiplied by scale. */
// @ts-ignore: decorator
@inline function straightThroughRow(weights: usize, gradient: usize, dProbability: usize, length: i32, scale: f32, clip: f32, densityGradient: f32): void {
  const whole = length & ~3
  const top = f32x4.splat(clip)
  const bottom = f32x4.splat(-clip)
  for (let j = 0; j < whole; j += 4) {
    const g = v128.load(gradient + bytes(j))
    const held = f32x4.max(bottom, f32x4.min(top, f32x4.add(g, f32x4.splat(densityGradient))))
    v128.store(dProbability + bytes(j), v128.and(held, f32x4.gt(v128.load(weights + bytes(j)), f32x4.splat(0))))
    v128.store(gradient + bytes(j), f32x4.mul(g, f32x4.splat(scale)))
  }
  for (let j = whole; j < length; j++) {
    const g = load<f32>(gradient + bytes(j))
    store<f32>(dProbability + bytes(j), load<f32>(weights + bytes(j)) > 0 ? max<f32>(-clip, min<f32>(clip, g + densityGradient)) : 0)
    store<f32>(gradient + bytes(j), g * scale)
  }
}

/** Writes dQkv, dQueryAffinity and dKeyLoading whole. scratch holds two [token, token]. */
export function sbmAttentionGradient(workspace: usize, scratch: usize, qkv: usize, queryAffinity: usize, keyLoading: usize, weights: usize, dOut: usize, dQkv: usize, dQueryAffinity: usize, dKeyLoading: usize, batch: i32, tokens: i32, heads: i32, headWidth: i32, communities: i32, scale: f32, clip: f32, densityGradient: f32, classTokenAlwaysOn: bool, selfLoop: bool): void {
  const width = heads * headWidth
  const step = 3 * width
  const gradient = scratch
  const dProbability = gradient + bytes(tokens * tokens)
  for (let i = 0; i < batch; i++) {
    for (let h = 0; h < heads; h++) {
      const head = i * heads + h
      const offset = bytes(i * tokens * step + h * headWidth)
      const q = qkv + offset
      const k = q + bytes(width)
      const v = k + bytes(width)
      const dQ = dQkv + offset
      const dK = dQ + bytes(width)
      const dV = dK + bytes(width)
      const a = weights + bytes(head * tokens * tokens)
      const g = dOut + bytes(i * tokens * width + h * headWidth)
      const loading = bytes(head * tokens * communities)
      gemm(workspace, tokens, tokens, headWidth, g, width, 1, v, 1, step, gradient, tokens, false) // da = dOut v'
      gemm(workspace, tokens, headWidth, tokens, a, 1, tokens, g, width, 1, dV, step, false)
      for (let r = 0; r < tokens; r++) {
        const row = gradient + bytes(r * tokens)
        const dP = dProbability + bytes(r * tokens)
        softmaxRowGradient(a + bytes(r * tokens), row, tokens, 1)
        straightThroughRow(a + bytes(r * tokens), row, dP, tokens, scale, clip, densityGradient)
        setForced(dP, r, tokens, 0, classTokenAlwaysOn, selfLoop)
      }
      gemm(workspace, tokens, headWidth, tokens, gradient, tokens, 1, k, step, 1, dQ, step, false)
      gemm(workspace, tokens, headWidth, tokens, gradient, 1, tokens, q, step, 1, dK, step, false)
      gemm(workspace, tokens, communities, tokens, dProbability, tokens, 1, keyLoading + loading, communities, 1, dQueryAffinity + loading, communities, false)
      gemm(workspace, tokens, communities, tokens, dProbability, 1, tokens, queryAffinity + loading, communities, 1, dKeyLoading + loading, communities, false)
    }
  }
}
