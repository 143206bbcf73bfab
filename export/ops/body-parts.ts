/** Pieces that the bodies of both attention operations share: scores, per-image switches, the class token's pairs. */
import { int, ints, type NodeList } from '../onnx/node-list.ts'

/** scale Q K^T, [b, h, n, n], under the name "scores". */
export function writeScores(body: NodeList): string {
  const scaled = body.op('Mul', ['query', body.attribute('scale', 'float')])
  return body.op('MatMul', [scaled, body.op('Transpose', ['key'], { perm: ints([0, 1, 3, 2]) })], {}, 'scores')
}

/** A per-image switch, [b], as [b, 1, 1, 1]. */
export function perImage(body: NodeList, name: string): string {
  return body.op('Unsqueeze', [name, body.ints(1, 2, 3)])
}

/** The tokens' indices, [n] int64. */
export function tokenIndices(body: NodeList): string {
  const tokens = body.op('Squeeze', [body.op('Shape', ['query'], { start: int(2), end: int(3) })])
  return body.op('Range', [body.int(0), tokens, body.int(1)])
}

/** 0 for the class token, 1 for each patch; [n] float. */
export function isPatch(body: NodeList, indices: string): string {
  return body.op('Cast', [body.op('Cast', [indices], { to: int(9) })], { to: int(1) })
}

/** 1 where neither of a pair is the class token, 0 in its row and column; [n, n] float. */
export function betweenPatches(body: NodeList, indices: string): string {
  const patches = isPatch(body, indices)
  return body.op('Mul', [body.op('Unsqueeze', [patches, body.ints(0)]), body.op('Unsqueeze', [patches, body.ints(1)])])
}
