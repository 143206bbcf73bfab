/** The last block of golden_tail.json: its generated inputs, written out, and the answers that finite differences confirmed. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { LastBlock } from './reference-tail.ts'

interface GoldenTail {
  readonly P_cls: number[][]
  readonly S_cls: number[][]
  readonly logits: number[]
  readonly logits_lambda0: number[]
  readonly logits_cls_only: number[]
  readonly communities: number[]
  readonly 'G[class][head][token]': number[][][]
  readonly 'structure_attribution[class][head][token]': number[][][]
  readonly 'knockout_logit_drop[token 1..4][class]': number[][]
  readonly 'shapley[community][class]': number[][]
}

export const goldenTail = JSON.parse(readFileSync(resolve(import.meta.dirname, '../golden/golden_tail.json'), 'utf8')) as GoldenTail

const TOKENS = 5
const WIDTH = 6
const HEADS = 2
const LAMBDA = 0.8

/** gen(shape, s, a)[i] = a sin(0.37 i + s). */
const generate = (count: number, s: number, a: number): number[] => Array.from({ length: count }, (_, i) => a * Math.sin(0.37 * i + s))
const rows = (values: readonly number[], columns: number): number[][] =>
  Array.from({ length: values.length / columns }, (_, row) => values.slice(row * columns, (row + 1) * columns))
const norm = (weight: number, bias: number) => ({ weight: generate(WIDTH, weight, 0.3).map((value) => 1 + value), bias: generate(WIDTH, bias, 0.1) })

export const goldenTailBlock = (): LastBlock => {
  const x = rows(generate(TOKENS * WIDTH, 0.1, 1), WIDTH)
  const norm1 = norm(0.2, 0.3)
  const normalized = x.map((token) => {
    const mean = token.reduce((sum, value) => sum + value, 0) / WIDTH
    const variance = token.reduce((sum, value) => sum + (value - mean) ** 2, 0) / WIDTH
    return token.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-6)) * norm1.weight[i]! + norm1.bias[i]!)
  })
  const weight = rows(generate(18 * WIDTH, 0.8, 0.6), WIDTH)
  const bias = generate(18, 0.9, 0.2)
  const qkv = normalized.map((token) => weight.map((row, i) => row.reduce((sum, value, j) => sum + value * token[j]!, bias[i]!)))
  return {
    scores: goldenTail.S_cls,
    bias: goldenTail.P_cls.map((row) => row.map((value) => LAMBDA * value)),
    values: Array.from({ length: HEADS }, (_, head) => qkv.map((token) => token.slice(12 + 3 * head, 15 + 3 * head))),
    residual: x[0]!,
    projection: { weight: rows(generate(36, 1, 0.5), WIDTH), bias: generate(WIDTH, 1.1, 0.1) },
    norm2: norm(0.4, 0.5),
    fc1: { weight: rows(generate(72, 1.2, 0.5), WIDTH), bias: generate(12, 1.3, 0.1) },
    fc2: { weight: rows(generate(72, 1.4, 0.5), 12), bias: generate(WIDTH, 1.5, 0.1) },
    norm: norm(0.6, 0.7),
    head: { weight: rows(generate(18, 1.6, 0.7), WIDTH), bias: generate(3, 1.7, 0.1) },
    epsilon: 1e-6,
  }
}
