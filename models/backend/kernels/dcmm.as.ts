/**
 * Attention with the degree-corrected mixed-membership bias: softmax(q k' / sqrt(d) + lambda theta_i theta_j M_ij) v, M = bound(Z B Z').
 *
 * Source: models 1.1 for the forward, 3.1 for the backward pass (checked there against automatic differentiation).
 * Layouts: qkv as in attention.as.ts; membership Z [batch, head, token, community]; block B [head, community, community];
 * degree theta [batch, head, token]; weights and affinity M [batch, head, token, token].
 */
import { gemm } from './gemm.as'
import { bytes, fma, sumOfLanes, tanh1, tanh4 } from './lanes.as'
import { softmaxRow, softmaxRowGradient } from './rows.as'

/** affinity row := tanh of itself where bounded; scores row := scale scores + lambda theta_r theta M. */
// @ts-ignore: decorator
@inline function addBiasRow(scores: usize, affinity: usize, degree: usize, length: i32, scale: f32, rowFactor: f32, bounded: bool): void {
  const whole = length & ~3
  const scale4 = f32x4.splat(scale)
  const factor4 = f32x4.splat(rowFactor)
  for (let j = 0; j < whole; j += 4) {
    let m = v128.load(affinity + bytes(j))
    if (bounded) m = tanh4(m)
    v128.store(affinity + bytes(j), m)
    v128.store(scores + bytes(j), fma(f32x4.mul(m, factor4), v128.load(degree + bytes(j)), f32x4.mul(v128.load(scores + bytes(j)), scale4)))
  }
  for (let j = whole; j < length; j++) {
    let m = load<f32>(affinity + bytes(j))
    if (bounded) m = tanh1(m)
    store<f32>(affinity + bytes(j), m)
    store<f32>(scores + bytes(j), load<f32>(scores + bytes(j)) * scale + m * rowFactor * load<f32>(degree + bytes(j)))
  }
}

/** scratch holds Z B, [token, community]. */
export function dcmmAttention(workspace: usize, scratch: usize, qkv: usize, membership: usize, block: usize, degree: usize, weights: usize, affinity: usize, out: usize, batch: i32, tokens: i32, heads: i32, headWidth: i32, communities: i32, scale: f32, lambda: f32, bounded: bool): void {
  const width = heads * headWidth
  const step = 3 * width
  for (let i = 0; i < batch; i++) {
    for (let h = 0; h < heads; h++) {
      const head = i * heads + h
      const q = qkv + bytes(i * tokens * step + h * headWidth)
      const k = q + bytes(width)
      const v = k + bytes(width)
      const z = membership + bytes(head * tokens * communities)
      const theta = degree + bytes(head * tokens)
      const a = weights + bytes(head * tokens * tokens)
      const m = affinity + bytes(head * tokens * tokens)
      gemm(workspace, tokens, communities, communities, z, communities, 1, block + bytes(h * communities * communities), communities, 1, scratch, communities, false) // Z B
      gemm(workspace, tokens, tokens, communities, scratch, communities, 1, z, 1, communities, m, tokens, false) // Z B Z'
      gemm(workspace, tokens, tokens, headWidth, q, step, 1, k, 1, step, a, tokens, false)
      for (let r = 0; r < tokens; r++) {
        const row = a + bytes(r * tokens)
        addBiasRow(row, m + bytes(r * tokens), theta, tokens, scale, lambda * load<f32>(theta + bytes(r)), bounded)
        softmaxRow(row, tokens, 1)
      }
      gemm(workspace, tokens, headWidth, tokens, a, tokens, 1, v, step, 1, out + bytes(i * tokens * width + h * headWidth), width, false)
    }
  }
}

/**
 * One row of the bias' gradient. `gradient` holds D = dL/dscores and leaves as scale D; `dAffinity` receives dL/d(Z B Z').
 * dTheta receives the column terms lambda theta_r D M; returns the row term sum_j D_j theta_j M_j.
 */
// @ts-ignore: decorator
@inline function biasRowGradient(gradient: usize, affinity: usize, degree: usize, dDegree: usize, dAffinity: usize, length: i32, scale: f32, rowFactor: f32, bounded: bool): f32 {
  const whole = length & ~3
  const factor4 = f32x4.splat(rowFactor)
  const scale4 = f32x4.splat(scale)
  const one = f32x4.splat(1)
  let rowTerms = f32x4.splat(0)
  for (let j = 0; j < whole; j += 4) {
    const d = v128.load(gradient + bytes(j))
    const m = v128.load(affinity + bytes(j))
    const theta = v128.load(degree + bytes(j))
    const dm = f32x4.mul(d, m)
    rowTerms = fma(dm, theta, rowTerms)
    v128.store(dDegree + bytes(j), fma(dm, factor4, v128.load(dDegree + bytes(j))))
    const slope = bounded ? f32x4.sub(one, f32x4.mul(m, m)) : one
    v128.store(dAffinity + bytes(j), f32x4.mul(f32x4.mul(f32x4.mul(d, theta), factor4), slope))
    v128.store(gradient + bytes(j), f32x4.mul(d, scale4))
  }
  let rowTerm = sumOfLanes(rowTerms)
  for (let j = whole; j < length; j++) {
    const d = load<f32>(gradient + bytes(j))
    const m = load<f32>(affinity + bytes(j))
    const theta = load<f32>(degree + bytes(j))
    rowTerm += d * m * theta
    store<f32>(dDegree + bytes(j), load<f32>(dDegree + bytes(j)) + rowFactor * d * m)
    store<f32>(dAffinity + bytes(j), d * theta * rowFactor * (bounded ? <f32>1 - m * m : <f32>1))
    store<f32>(gradient + bytes(j), d * scale)
  }
  return rowTerm
}

/**
 * Writes dQkv, dMembership, dBlock and dDegree whole; returns dL/dlambda.
 *
 * scratch holds two [token, token] and two [token, community].
 */
export function dcmmAttentionGradient(workspace: usize, scratch: usize, qkv: usize, membership: usize, block: usize, degree: usize, weights: usize, affinity: usize, dOut: usize, dQkv: usize, dMembership: usize, dBlock: usize, dDegree: usize, batch: i32, tokens: i32, heads: i32, headWidth: i32, communities: i32, scale: f32, lambda: f32, bounded: bool): f32 {
  const width = heads * headWidth
  const step = 3 * width
  const gradient = scratch
  const dAffinity = gradient + bytes(tokens * tokens)
  const zB = dAffinity + bytes(tokens * tokens)
  const dZb = zB + bytes(tokens * communities)
  let dLambda: f64 = 0
  memory.fill(dDegree, 0, bytes(batch * heads * tokens))
  memory.fill(dBlock, 0, bytes(heads * communities * communities))
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
      const z = membership + bytes(head * tokens * communities)
      const dZ = dMembership + bytes(head * tokens * communities)
      const b = block + bytes(h * communities * communities)
      const theta = degree + bytes(head * tokens)
      const dTheta = dDegree + bytes(head * tokens)
      const a = weights + bytes(head * tokens * tokens)
      const m = affinity + bytes(head * tokens * tokens)
      const g = dOut + bytes(i * tokens * width + h * headWidth)
      gemm(workspace, tokens, tokens, headWidth, g, width, 1, v, 1, step, gradient, tokens, false) // dA = dOut v'
      gemm(workspace, tokens, headWidth, tokens, a, 1, tokens, g, width, 1, dV, step, false)
      for (let r = 0; r < tokens; r++) {
        const row = gradient + bytes(r * tokens)
        const thetaR = load<f32>(theta + bytes(r))
        softmaxRowGradient(a + bytes(r * tokens), row, tokens, 1)
        const rowTerm = biasRowGradient(row, m + bytes(r * tokens), theta, dTheta, dAffinity + bytes(r * tokens), tokens, scale, lambda * thetaR, bounded)
        store<f32>(dTheta + bytes(r), load<f32>(dTheta + bytes(r)) + lambda * rowTerm)
        dLambda += <f64>(thetaR * rowTerm)
      }
      gemm(workspace, tokens, headWidth, tokens, gradient, tokens, 1, k, step, 1, dQ, step, false)
      gemm(workspace, tokens, headWidth, tokens, gradient, 1, tokens, q, step, 1, dK, step, false)
      gemm(workspace, tokens, communities, communities, z, communities, 1, b, communities, 1, zB, communities, false)
      gemm(workspace, tokens, communities, tokens, dAffinity, tokens, 1, z, communities, 1, dZb, communities, false) // d(Z B) = dT Z
      gemm(workspace, tokens, communities, tokens, dAffinity, 1, tokens, zB, communities, 1, dZ, communities, false) // dT' Z B
      gemm(workspace, tokens, communities, communities, dZb, communities, 1, b, 1, communities, dZ, communities, true) // + dT Z B'
      gemm(workspace, communities, communities, tokens, z, 1, communities, dZb, communities, 1, dBlock + bytes(h * communities * communities), communities, true)
    }
  }
  return <f32>dLambda
}
