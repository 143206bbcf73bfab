/** One image's last block in, a function that answers changes of its class-token row out: src/domain/outputs.ts has the axes. */
import type { ModelProto } from 'onnx-buf'
import type { ModelOutputs, RunTail, TailAnswer, TailQuery, TailSets } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import { allFinite } from '../tensor/all-finite.ts'
import { firstRows } from '../tensor/first-rows.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'
import { mergeKeys } from './merge-keys.ts'
import type { Feed, Feeds, Session } from './runtime.ts'

/** A bundle's tail, and the same graph without its gradient. */
export interface TailSessions {
  readonly whole: Session
  readonly logits: Session
  /** Whether `logits` takes any number of keys, and not only the network's. */
  readonly takesAnyKeys?: boolean
}

/** A tail's inputs: docs/bundle.md has their axes. */
export const TAIL_INPUTS = ['scores', 'values', 'residual', 'alpha', 'bias', 'keep', 'direction'] as const

/** Which axis of a tail's inputs counts the keys. */
export const TAIL_KEY_AXES = { scores: 1, values: 1, bias: 2, keep: 2 } as const

/** Feeds of a run of one row with one key, for these inputs: the sizes that the graph declares, zeros but for `keep`. */
export function oneKey({ graph }: ModelProto, inputs: readonly string[]): Feeds {
  const axes: Readonly<Record<string, number>> = TAIL_KEY_AXES
  return Object.fromEntries(
    (graph?.input ?? [])
      .filter(({ name }) => inputs.includes(name))
      .map(({ name, type }) => {
        const dimensions = type?.value.case === 'tensorType' ? (type.value.value.shape?.dim ?? []) : []
        // Sizes without a number are those of the batch.
        const shape = dimensions.map(({ value }, axis) => (axis === axes[name] || value.case !== 'dimValue' ? 1 : Number(value.value)))
        return [name, feed(tensorOf(new Float32Array(shape.reduce((size, length) => size * length, 1)).fill(name === 'keep' ? 1 : 0), shape))]
      }),
  )
}

/** The tail's graph for one image, or null where the outputs lack what it starts from: scores, values and residual. */
export function createTailRunner(sessions: TailSessions, { asTrained }: ModelOutputs): RunTail | null {
  const { values, residual } = asTrained
  const scores = asTrained.classTokenScores ?? (asTrained.scores === undefined ? undefined : firstRows(asTrained.scores))
  if (scores === undefined || values === undefined || residual === undefined) return null
  const image = { scores: feed(scores), values: feed(values), residual: feed(residual) }
  const logitsOf = async (feeds: Feeds): Promise<TailAnswer> => ({
    logits: finite(await sessions.logits.run(feeds, ['logits']), 'logits'),
    gradient: tensorOf(new Float32Array(0), [0]),
  })
  const run = async (query: TailQuery): Promise<TailAnswer> => {
    const { alpha, bias, keep, direction } = query
    checkShapes(query, [alpha.length, ...scores.shape])
    const feeds = { ...image, alpha: feed(tensorOf(alpha, [alpha.length])), bias: feed(bias), keep: feed(keep) }
    return direction === null ? logitsOf(feeds) : answer(await sessions.whole.run({ ...feeds, direction: feed(direction) }, ['logits', 'gradient']))
  }
  return async (query) => {
    if (!('groups' in query)) return run(query)
    if (sessions.takesAnyKeys !== true) return run(toQuery(query, scores))
    return logitsOf({ residual: image.residual, ...mergedFeeds(query, scores, values) })
  }
}

/** Sets of groups as keys of their own: as many as there are groups, not tokens. */
function mergedFeeds({ bias, groups, keep }: TailSets, scores: Tensor, values: Tensor): Feeds {
  const [rows = 0, count = 0] = keep.shape
  const heads = scores.shape[0] ?? 0
  const biased = scores.data.map((score, i) => score + (bias.data[i] ?? 0))
  const keys = mergeKeys({ scores: tensorOf(biased, scores.shape), values }, groups, count)
  const kept = new Float32Array(rows * heads * count)
  for (let row = 0; row < rows; row++) for (let head = 0; head < heads; head++) kept.set(keep.data.subarray(row * count, (row + 1) * count), (row * heads + head) * count)
  const shape = [rows, heads, count]
  return {
    scores: feed(keys.scores),
    values: feed(keys.values),
    alpha: feed(tensorOf(new Float32Array(rows), [rows])),
    bias: feed(tensorOf(new Float32Array(kept.length), shape)),
    keep: feed(tensorOf(kept, shape)),
  }
}

/** The same token by token, for a tail that takes the network's keys alone. */
function toQuery({ bias, groups, keep }: TailSets, scores: Tensor): TailQuery {
  const [rows = 0, count = 0] = keep.shape
  const shape = [rows, ...scores.shape]
  const added = new Float32Array(rows * bias.data.length)
  const kept = added.map((_, i) => keep.data[Math.floor(i / bias.data.length) * count + (groups[i % groups.length] ?? 0)] ?? 0)
  for (let row = 0; row < rows; row++) added.set(bias.data, row * bias.data.length)
  return { alpha: new Float32Array(rows).fill(1), bias: tensorOf(added, shape), keep: tensorOf(kept, shape), direction: null }
}

function answer(results: ReadonlyMap<string, Tensor>): TailAnswer {
  return { logits: finite(results, 'logits'), gradient: finite(results, 'gradient') }
}

function finite(results: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = results.get(name)
  if (tensor === undefined) throw new Problem('output-missing', `the tail gave no ${name}`, { output: name })
  if (!allFinite(tensor)) throw new Problem('output-not-finite', `the tail's ${name} holds a value that is not finite`, { output: name })
  return tensor
}

function checkShapes({ bias, keep, direction }: TailQuery, expected: readonly number[]): void {
  for (const { shape } of [bias, keep]) {
    if (shape.join() !== expected.join()) throw new Problem('shape-mismatch', 'a change of the last block', { expected, actual: shape })
  }
  const [rows = 0] = expected
  const [gradientRows = 0, classes = 0] = direction?.shape ?? [1, 1]
  if (gradientRows < 1 || gradientRows > rows) throw new Problem('shape-mismatch', 'gradients of the last block', { expected: [rows, classes], actual: direction?.shape ?? [] })
}

function feed({ shape, data }: Tensor): Feed {
  return { type: 'float32', data, shape }
}
