/**
 * Softmax attention of every image and head, forward and backward: qkv in, joined heads out.
 *
 * qkv is [batch, token, 3, head, headWidth] in memory, so q, k and v of one head are strided matrices: nothing is transposed or copied.
 */
import { gemm } from './gemm.as'
import { bytes } from './lanes.as'
import { softmaxRow, softmaxRowGradient } from './rows.as'

/** weights [batch, head, token, token], out [batch, token, width] */
export function attention(workspace: usize, qkv: usize, weights: usize, out: usize, batch: i32, tokens: i32, heads: i32, headWidth: i32, scale: f32): void {
  const width = heads * headWidth
  const step = 3 * width
  for (let i = 0; i < batch; i++) {
    for (let h = 0; h < heads; h++) {
      const q = qkv + bytes(i * tokens * step + h * headWidth)
      const k = q + bytes(width)
      const v = k + bytes(width)
      const a = weights + bytes((i * heads + h) * tokens * tokens)
      gemm(workspace, tokens, tokens, headWidth, q, step, 1, k, 1, step, a, tokens, false)
      for (let r = 0; r < tokens; r++) softmaxRow(a + bytes(r * tokens), tokens, scale)
      gemm(workspace, tokens, headWidth, tokens, a, tokens, 1, v, step, 1, out + bytes(i * tokens * width + h * headWidth), width, false)
    }
  }
}

/** scratch holds [token, token]; dQkv is laid out as qkv and is written whole. */
export function attentionGradient(workspace: usize, scratch: usize, qkv: usize, weights: usize, dOut: usize, dQkv: usize, batch: i32, tokens: i32, heads: i32, headWidth: i32, scale: f32): void {
  const width = heads * headWidth
  const step = 3 * width
  for (let i = 0; i < batch; i++) {
    for (let h = 0; h < heads; h++) {
      const offset = bytes(i * tokens * step + h * headWidth)
      const q = qkv + offset
      const k = q + bytes(width)
      const v = k + bytes(width)
      const dQ = dQkv + offset
      const dK = dQ + bytes(width)
      const dV = dK + bytes(width)
      const a = weights + bytes((i * heads + h) * tokens * tokens)
      const g = dOut + bytes(i * tokens * width + h * headWidth)
      gemm(workspace, tokens, tokens, headWidth, g, width, 1, v, 1, step, scratch, tokens, false) // dA = dOut v'
      gemm(workspace, tokens, headWidth, tokens, a, 1, tokens, g, width, 1, dV, step, false)
      for (let r = 0; r < tokens; r++) softmaxRowGradient(a + bytes(r * tokens), scratch + bytes(r * tokens), tokens, scale)
      gemm(workspace, tokens, headWidth, tokens, scratch, tokens, 1, k, step, 1, dQ, step, false)
      gemm(workspace, tokens, headWidth, tokens, scratch, 1, tokens, q, step, 1, dK, step, false)
    }
  }
}
