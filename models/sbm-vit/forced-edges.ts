/** Options in, the edges that every mask has out. */
import * as tf from '@tensorflow/tfjs'
import type { SbmOptions } from '../network-config.ts'

/**
 * 1 where an edge is forced and no gradient passes, 0 where the mask decides.
 *
 * The class token's row and column: the original has no class token, and an empty row of it would zero a head's part of the classifier's input.
 *
 * returns  [1, 1, token, token]
 */
export function forcedEdges(tokens: number, options: Pick<SbmOptions, 'classTokenAlwaysOn' | 'selfLoop'>): tf.Tensor4D {
  const edges = new Float32Array(tokens * tokens)
  for (let query = 0; query < tokens; query++) {
    for (let key = 0; key < tokens; key++) {
      const ofClassToken = options.classTokenAlwaysOn && (query === 0 || key === 0)
      const loop = options.selfLoop && query === key
      if (ofClassToken || loop) edges[query * tokens + key] = 1
    }
  }
  return tf.tensor4d(edges, [1, 1, tokens, tokens])
}

/** Entries of one head's mask that are not forced. */
export function freeEdgeCount(tokens: number, options: Pick<SbmOptions, 'classTokenAlwaysOn' | 'selfLoop'>): number {
  const ofClassToken = options.classTokenAlwaysOn ? 2 * tokens - 1 : 0
  const loops = options.selfLoop ? tokens - (options.classTokenAlwaysOn ? 1 : 0) : 0
  return tokens * tokens - ofClassToken - loops
}
