/** The last block's class-token row written out in float64, with the closed-form gradient: a witness that shares no code with the product. */
import type { RunTail } from '../../src/domain/outputs.ts'
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { type GoldenName, readGolden, tensorNamed } from './golden-case.ts'

type Vector = readonly number[]
/** [out][in] */
type Matrix = readonly Vector[]

/** Everything that the class token meets after its scores; names as in the closed form. */
export interface LastBlock {
  readonly scores: Matrix // [head][token]
  readonly bias: Matrix // [head][token]
  readonly values: readonly Matrix[] // [head][token][d]
  readonly residual: Vector
  readonly projection: { readonly weight: Matrix; readonly bias: Vector }
  readonly norm2: { readonly weight: Vector; readonly bias: Vector }
  readonly fc1: { readonly weight: Matrix; readonly bias: Vector }
  readonly fc2: { readonly weight: Matrix; readonly bias: Vector }
  readonly norm: { readonly weight: Vector; readonly bias: Vector }
  readonly head: { readonly weight: Matrix; readonly bias: Vector }
  readonly epsilon: number
}

const dot = (a: Vector, b: Vector): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0)
const times = (weight: Matrix, x: Vector): Vector => weight.map((row) => dot(row, x))
const timesTransposed = (weight: Matrix, x: Vector): Vector => weight[0]!.map((_, column) => weight.reduce((sum, row, i) => sum + row[column]! * x[i]!, 0))
const add = (a: Vector, b: Vector): Vector => a.map((value, i) => value + b[i]!)
const linear = ({ weight, bias }: { weight: Matrix; bias: Vector }, x: Vector): Vector => add(times(weight, x), bias)

/** The error function: its series below 3, its continued fraction above (Abramowitz and Stegun 7.1.6 and 7.1.14), to 1e-15. */
export const erf = (x: number): number => {
  const size = Math.abs(x)
  if (size < 3) {
    let term = x
    let sum = x
    for (let n = 1; n < 120; n++) {
      term *= (2 * x * x) / (2 * n + 1)
      sum += term
    }
    return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
  }
  let fraction = 0
  for (let n = 60; n > 0; n--) fraction = n / 2 / (size + fraction)
  return Math.sign(x) * (1 - Math.exp(-size * size) / (Math.sqrt(Math.PI) * (size + fraction)))
}
const normalCdf = (t: number): number => 0.5 * (1 + erf(t / Math.SQRT2))
const gelu = (t: number): number => t * normalCdf(t)
const geluSlope = (t: number): number => normalCdf(t) + (t * Math.exp((-t * t) / 2)) / Math.sqrt(2 * Math.PI)

interface Normalized {
  readonly hat: Vector
  readonly deviation: number
  readonly out: Vector
}
const layerNorm = (x: Vector, { weight, bias }: { weight: Vector; bias: Vector }, epsilon: number): Normalized => {
  const mean = x.reduce((sum, value) => sum + value, 0) / x.length
  const deviation = Math.sqrt(x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length + epsilon)
  const hat = x.map((value) => (value - mean) / deviation)
  return { hat, deviation, out: hat.map((value, i) => value * weight[i]! + bias[i]!) }
}
const layerNormBack = (gradient: Vector, weight: Vector, { hat, deviation }: Normalized): Vector => {
  const a = gradient.map((value, i) => value * weight[i]!)
  const mean = a.reduce((sum, value) => sum + value, 0) / a.length
  const along = dot(a, hat) / a.length
  return a.map((value, i) => (value - mean - hat[i]! * along) / deviation)
}

const maskedSoftmax = (scores: Vector, keep: Vector): Vector => {
  const kept = scores.map((score, i) => (keep[i] === 0 ? Number.NEGATIVE_INFINITY : score))
  const largest = Math.max(...kept)
  const exponentials = kept.map((score) => Math.exp(score - largest))
  const sum = exponentials.reduce((total, value) => total + value, 0)
  return exponentials.map((value) => value / sum)
}

/** Logits [class] and gradient [class][head][token] for one change. */
export const runLastBlock = (block: LastBlock, alpha: number, bias: Matrix, keep: Matrix): { logits: Vector; gradient: readonly Matrix[] } => {
  const attention = block.scores.map((row, h) =>
    maskedSoftmax(
      row.map((score, j) => score + alpha * bias[h]![j]!),
      keep[h]!,
    ),
  )
  const o = block.values.flatMap((values, h) => values[0]!.map((_, column) => values.reduce((sum, value, j) => sum + attention[h]![j]! * value[column]!, 0)))
  const y = add(block.residual, linear(block.projection, o))
  const second = layerNorm(y, block.norm2, block.epsilon)
  const p = linear(block.fc1, second.out)
  const r = add(y, linear(block.fc2, p.map(gelu)))
  const final = layerNorm(r, block.norm, block.epsilon)
  const logits = linear(block.head, final.out)
  const headWidth = block.values[0]![0]!.length
  const gradient = block.head.weight.map((row) => {
    const dr = layerNormBack(row, block.norm.weight, final)
    const dp = timesTransposed(block.fc2.weight, dr).map((value, i) => value * geluSlope(p[i]!))
    const dy = add(dr, layerNormBack(timesTransposed(block.fc1.weight, dp), block.norm2.weight, second))
    const doo = timesTransposed(block.projection.weight, dy)
    return block.values.map((values, h) => values.map((value) => dot(doo.slice(h * headWidth, (h + 1) * headWidth), value)))
  })
  return { logits, gradient }
}

/** The block as a tail; answers are rounded to float32 only at the door. */
export const referenceTail =
  (block: LastBlock): RunTail =>
  async (query) => {
    const heads = block.scores.length
    const tokens = block.scores[0]!.length
    const rowsOfData = (data: Float32Array, row: number): Matrix =>
      Array.from({ length: heads }, (_, h) => Array.from(data.subarray((row * heads + h) * tokens, (row * heads + h + 1) * tokens)))
    const seen = (keep: Tensor, groups: Int32Array, row: number): Vector => Array.from(groups, (group) => keep.data[row * keep.shape[1]! + group]!)
    const runRow = (row: number) => {
      if (!('groups' in query)) return runLastBlock(block, query.alpha[row]!, rowsOfData(query.bias.data, row), rowsOfData(query.keep.data, row))
      return runLastBlock(block, 1, rowsOfData(query.bias.data, 0), new Array<Vector>(heads).fill(seen(query.keep, query.groups, row)))
    }
    const answers = Array.from({ length: query.keep.shape[0]! }, (_, row) => runRow(row))
    const classes = block.head.weight.length
    const direction = 'groups' in query || query.direction === null ? tensorOf(new Float32Array(0), [0, classes]) : query.direction
    const along = (row: number): Vector =>
      Array.from({ length: heads * tokens }, (_, i) => answers[row]!.gradient.reduce((sum, rows, c) => sum + direction.data[row * classes + c]! * rows.flat()[i]!, 0))
    return {
      logits: tensorOf(Float32Array.from(answers.flatMap(({ logits }) => logits)), [answers.length, classes]),
      gradient: tensorOf(Float32Array.from(Array.from({ length: direction.shape[0]! }, (_, row) => along(row)).flat()), [direction.shape[0]!, heads, tokens]),
    }
  }

/** One image's last block of a golden network (two layers, three heads, width 24). */
export const goldenBlock = (name: GoldenName, image: number): LastBlock => {
  const golden = readGolden(name)
  const vector = (key: string): Vector => Array.from(tensorNamed(golden, `weight.${key}`).data)
  const matrix = (key: string): Matrix => rowsOf(tensorNamed(golden, `weight.${key}`).data, tensorNamed(golden, `weight.${key}`).shape[1]!)
  const layer = (key: string) => ({ weight: matrix(`${key}.weight`), bias: vector(`${key}.bias`) })
  const norm = (key: string) => ({ weight: vector(`${key}.weight`), bias: vector(`${key}.bias`) })
  const tokens = rowsOf(tensorNamed(golden, 'layer0.tokens').data.subarray(image * 17 * 24, (image + 1) * 17 * 24), 24)
  const qkv = tokens.map((token) => linear(layer('blocks.1.attn.qkv'), layerNorm(token, norm('blocks.1.norm1'), 1e-6).out))
  const rowOf = (key: string, h: number): Vector => Array.from(tensorNamed(golden, `layer1.${key}`).data.subarray((image * 3 + h) * 17 * 17, (image * 3 + h) * 17 * 17 + 17))
  const biasRow = (h: number): Vector => {
    if (golden.has('layer1.bias')) return rowOf('bias', h)
    return golden.has('layer1.mask') ? rowOf('mask', h).map((value) => Math.log(value)) : new Array(17).fill(0)
  }
  return {
    scores: [0, 1, 2].map((h) => rowOf('scores', h)),
    bias: [0, 1, 2].map(biasRow),
    values: [0, 1, 2].map((h) => qkv.map((token) => token.slice(48 + 8 * h, 48 + 8 * (h + 1)))),
    residual: tokens[0]!,
    projection: layer('blocks.1.attn.proj'),
    norm2: norm('blocks.1.norm2'),
    fc1: layer('blocks.1.mlp.fc1'),
    fc2: layer('blocks.1.mlp.fc2'),
    norm: norm('norm'),
    head: layer('head'),
    epsilon: 1e-6,
  }
}

const rowsOf = (data: Float32Array, columns: number): Matrix =>
  Array.from({ length: data.length / columns }, (_, row) => Array.from(data.subarray(row * columns, (row + 1) * columns)))
