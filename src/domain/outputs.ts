/** What a bundle's graph gives for one image: tensors by name, as trained and with the structure removed. */
import type { Tensor } from '../tensor/tensor.ts'

/**
 * Every output that a bundle may declare, without its batch axis. `layer` runs over all layers in attentionAll and over the
 * structured layers elsewhere; the token axis has the class token first.
 *
 * logits             [class]
 * embedding          [width], the class token after the final norm
 * tokens             [token, width], after the position embedding
 * attention          [head, token, token], last layer, rows sum to 1
 * attentionAll       [layer, head, token, token], every layer
 * scores             [head, token, token], last layer, before the structure's bias and the softmax
 * classTokenAttention, classTokenScores   [head, token]: the class token's row of attention and scores, for those who read nothing else of them
 * membership         [layer, head, token, community], rows sum to 1 (DCMM)
 * degree             [layer, head, token] (DCMM)
 * bias               [layer, head, token, token], lambda P (DCMM)
 * classTokenBias     [layer, head, token], the class token's row of bias (DCMM)
 * block              [layer, head, community, community], B (DCMM)
 * queryLoading       [layer, head, token, community] (SBM)
 * keyLoading         [layer, head, token, community] (SBM)
 * affinity           [layer, head, community, community] (SBM)
 * edgeProbability    [layer, head, token, token] (SBM)
 * mask               [layer, head, token, token], the mask or mean mask in use (SBM)
 * classTokenMask     [layer, head, token], the class token's row of mask (SBM)
 * values             [head, token, headWidth], last layer (tail)
 * residual           [width], the class token that enters the last layer's residual sum (tail)
 */
export const OUTPUT_NAMES = [
  'logits',
  'embedding',
  'tokens',
  'attention',
  'attentionAll',
  'scores',
  'classTokenAttention',
  'classTokenScores',
  'membership',
  'degree',
  'bias',
  'classTokenBias',
  'block',
  'queryLoading',
  'keyLoading',
  'affinity',
  'edgeProbability',
  'mask',
  'classTokenMask',
  'values',
  'residual',
] as const
export type OutputName = (typeof OUTPUT_NAMES)[number]

export type NamedOutputs = Readonly<Partial<Record<OutputName, Tensor>>>

export interface ModelOutputs {
  /** As trained: always holds logits. */
  readonly asTrained: NamedOutputs
  /** The same weights with the structure neutralised in every layer; absent for a plain network. */
  readonly withoutStructure: NamedOutputs | null
  /** One entry a drawn mask, where the request asked for samples: logits, and attention or its class-token row where it was asked for. */
  readonly samples?: readonly NamedOutputs[]
}

/**
 * Changes of the last block's class-token row, one a row of the batch.
 *
 * alpha      [row], what the bias is multiplied by: 1 as trained, 0 without the structure
 * bias       [row, head, token], the structure's bias in the class token's row: alpha times it is added to the scores
 * keep       [row, head, token], 1 keeps a key, 0 drops it (weight 0, the rest renormalized)
 * direction  [gradientRow, class], for the first rows: which sum of logits the gradient is of; null where none is wanted
 */
export interface TailQuery {
  readonly alpha: Float32Array
  readonly bias: Tensor
  readonly keep: Tensor
  readonly direction: Tensor | null
}

/**
 * Sets of the last block's keys that the class token is to see, one a row; logits alone are answered.
 *
 * bias    [head, token], the structure's bias in the class token's row, in every row of the answer
 * groups  [token], from 0: tokens of one group are seen together or not at all
 * keep    [row, group], 1 for a group that the row's set holds, else 0; no row without any
 */
export interface TailSets {
  readonly bias: Tensor
  readonly groups: Int32Array
  readonly keep: Tensor
}

/** logits [row, class]; gradient [gradientRow, head, token], d (direction . logits) / d attention of the last layer's class-token row. */
export interface TailAnswer {
  readonly logits: Tensor
  readonly gradient: Tensor
}

/** Runs a bundle's tail.onnx on one image's last block: exact, whole-network answers where the structure is in the last layer alone. */
export type RunTail = (query: TailQuery | TailSets) => Promise<TailAnswer>
