/** A bundle's tail and one image's last block in, exact answers about the class token's row out. */
import type { Manifest } from '../domain/manifest.ts'
import type { ModelOutputs, OutputName, RunTail, TailAnswer, TailQuery } from '../domain/outputs.ts'
import { at, type Tensor, tensorOf } from '../tensor/tensor.ts'
import { tokenCount } from './patch-grid.ts'
import { outputOf, rowOutput, rowsOf } from './read-outputs.ts'
import { biasRows } from './structure-facts.ts'
import { isInLastLayer } from './structure-layers.ts'

/** One change of the last block: the structure's strength, and which keys the class token may see. */
export interface TailChange {
  readonly alpha: number
  /** Tokens that are hidden from the class token in every head. */
  readonly hidden: readonly number[]
}

export interface TailStudy {
  readonly heads: number
  readonly tokens: number
  /** Scores of the class token before the structure's bias, [head][token]. */
  readonly scores: readonly ArrayLike<number>[]
  /** What the structure adds to them, [head][token]; zeros where the last layer carries none. */
  readonly bias: readonly ArrayLike<number>[]
  /**
   * The answer to each change, in order, with the gradient of one class's logit. What is asked before the next await of anyone, here and of `askLogits`,
   * is answered by one run: a row's bits don't depend on the others.
   */
  ask(changes: readonly TailChange[], classIndex: number): Promise<TailAnswer>
  /** The same without gradients, for a third of the work. */
  askLogits(changes: readonly TailChange[]): Promise<TailAnswer>
  /**
   * Logits of the class token that sees some groups of tokens alone, the structure as trained.
   *
   * groups  [token], from 0
   * sets    the groups that are seen, at least one; a row of the answer each
   */
  askSets(groups: Int32Array, sets: readonly (readonly number[])[]): Promise<TailAnswer>
  /** Logits as trained, and without the structure in the last layer; asked once. */
  ends(): Promise<TailAnswer>
  /** The answer without a change, asked once a class. */
  unchanged(classIndex: number): Promise<TailAnswer>
}

export const AS_TRAINED: TailChange = { alpha: 1, hidden: [] }
export const STRUCTURE_REMOVED: TailChange = { alpha: 0, hidden: [] }

/** Outputs that a tail may read, as far as the bundle declares them. */
export function tailNeeds(manifest: Manifest): readonly OutputName[] {
  const rows = (['scores', 'bias', 'mask'] as const).map((matrix) => rowOutput(manifest, matrix))
  const wanted: readonly OutputName[] = [...rows, 'values', 'residual']
  return wanted.filter((name) => manifest.outputs[name] !== undefined)
}

/** The study of one image. The scores that maps read and the tail's own are the same. Throws: "output-missing" without the last layer's scores. */
export function createTailStudy(manifest: Manifest, outputs: ModelOutputs, tail: RunTail): TailStudy {
  const scores = rowsOf(outputs.asTrained, 'scores', manifest)
  const tokens = tokenCount(manifest)
  const layers = manifest.structure?.layers.length ?? 0
  const found = layers > 0 && isInLastLayer(manifest) ? biasRows(manifest, outputs.asTrained, layers - 1) : []
  const bias = found.length > 0 ? found : scores.map(() => new Float64Array(tokens))
  const classes = outputOf(outputs.asTrained, 'logits').data.length
  const together = inTurns((changes, directions) => tail({ ...toQuery(changes, bias, tokens), direction: toDirection(directions, classes) }))
  const askLogits = (changes: readonly TailChange[]): Promise<TailAnswer> => together(changes, null)
  const unchanged = new Map<number, Promise<TailAnswer>>()
  let ends: Promise<TailAnswer> | undefined
  return {
    heads: scores.length,
    tokens,
    scores,
    bias,
    ask: together,
    askLogits,
    askSets: (groups, sets) => tail({ bias: toTensor(bias, tokens), groups, keep: toKeep(groups, sets) }),
    ends: () => {
      ends ??= askLogits([AS_TRAINED, STRUCTURE_REMOVED])
      return ends
    },
    unchanged: (classIndex) => {
      const known = unchanged.get(classIndex) ?? together([AS_TRAINED], classIndex)
      unchanged.set(classIndex, known)
      return known
    },
  }
}

/** Changes, with the class whose gradient is asked, or null. */
type Ask = (changes: readonly TailChange[], classIndex: number | null) => Promise<TailAnswer>
/** Changes, and the class of each of the first ones whose gradient is asked. */
type Run = (changes: readonly TailChange[], directions: readonly number[]) => Promise<TailAnswer>

/** What is asked until the next await of anyone. */
interface Turn {
  readonly directed: TailChange[]
  readonly directions: number[]
  readonly plain: Set<TailChange>
  readonly answered: Promise<TailAnswer & { readonly rowOf: ReadonlyMap<TailChange, number> }>
}

/** Answers all questions of a turn by one run: rows with a gradient first, then the others, each change once. */
function inTurns(run: Run): Ask {
  let turn: Turn | null = null
  const begin = (): Turn => {
    const begun: Turn = {
      directed: [],
      directions: [],
      plain: new Set(),
      answered: Promise.resolve().then(() => {
        turn = null
        return answerTurn(begun, run)
      }),
    }
    return begun
  }
  return async (changes, classIndex) => {
    turn ??= begin()
    const { directed, directions, plain, answered } = turn
    if (classIndex === null) {
      for (const change of changes) plain.add(change)
      const { logits, rowOf } = await answered
      return {
        logits: rowsAt(
          logits,
          changes.map((change) => rowOf.get(change) ?? 0),
        ),
        gradient: tensorOf(new Float32Array(0), [0]),
      }
    }
    const start = directed.push(...changes) - changes.length
    directions.push(...changes.map(() => classIndex))
    const { logits, gradient } = await answered
    return { logits: rowsFrom(logits, start, changes.length), gradient: rowsFrom(gradient, start, changes.length) }
  }
}

async function answerTurn({ directed, directions, plain }: Turn, run: Run): Promise<Awaited<Turn['answered']>> {
  const rowOf = new Map(directed.map((change, row) => [change, row]))
  const rows = [...directed, ...[...plain].filter((change) => !rowOf.has(change))]
  rows.forEach((change, row) => {
    rowOf.set(change, row)
  })
  return { ...(await run(rows, directions)), rowOf }
}

/** Some entries of the outermost axis, as a view. */
function rowsFrom({ shape: [rows = 0, ...rest], data }: Tensor, start: number, count: number): Tensor {
  const size = data.length / rows
  return tensorOf(data.subarray(start * size, (start + count) * size), [count, ...rest])
}

/** Entries of the outermost axis, copied in this order. */
function rowsAt(tensor: Tensor, rows: readonly number[]): Tensor {
  const parts = rows.map((row) => at(tensor, row).data)
  const size = parts[0]?.length ?? 0
  const data = new Float32Array(parts.length * size)
  parts.forEach((part, row) => {
    data.set(part, row * size)
  })
  return tensorOf(data, [parts.length, ...tensor.shape.slice(1)])
}

/** [row, class]: the logit of each row's class, null where there is no row. */
function toDirection(classOf: readonly number[], classes: number): Tensor | null {
  if (classOf.length === 0) return null
  const data = new Float32Array(classOf.length * classes)
  classOf.forEach((classIndex, row) => {
    data[row * classes + classIndex] = 1
  })
  return tensorOf(data, [classOf.length, classes])
}

/** Every row has the same bias: alpha says how much of it counts. */
function toQuery(changes: readonly TailChange[], bias: readonly ArrayLike<number>[], tokens: number): Omit<TailQuery, 'direction'> {
  const heads = bias.length
  const shape = [changes.length, heads, tokens]
  const keep = new Float32Array(changes.length * heads * tokens).fill(1)
  const added = new Float32Array(keep.length)
  changes.forEach(({ hidden }, row) => {
    bias.forEach((values, head) => {
      const start = (row * heads + head) * tokens
      added.set(values, start)
      for (const token of hidden) keep[start + token] = 0
    })
  })
  return { alpha: Float32Array.from(changes, (change) => change.alpha), bias: tensorOf(added, shape), keep: tensorOf(keep, shape) }
}

/** [head][token] as [head, token] */
function toTensor(rows: readonly ArrayLike<number>[], tokens: number): Tensor {
  const data = new Float32Array(rows.length * tokens)
  rows.forEach((row, head) => {
    data.set(row, head * tokens)
  })
  return tensorOf(data, [rows.length, tokens])
}

/** [set, group], 1 where the set holds the group. A group may be without tokens. */
function toKeep(groups: Int32Array, sets: readonly (readonly number[])[]): Tensor {
  const count =
    1 +
    Math.max(
      groups.reduce((largest, group) => Math.max(largest, group), 0),
      ...sets.map((set) => Math.max(...set)),
    )
  const keep = new Float32Array(sets.length * count)
  sets.forEach((set, row) => {
    for (const group of set) keep[row * count + group] = 1
  })
  return tensorOf(keep, [sets.length, count])
}

/** The logits of one change, [class]. */
export function logitsOf(answer: TailAnswer, row: number): Float32Array {
  return at(answer.logits, row).data
}

/** d logit of the asked class / d attention of the class token's row, [head][token]. */
export function gradientOf(answer: TailAnswer, row: number): readonly Float32Array[] {
  const gradient = at(answer.gradient, row)
  return Array.from({ length: gradient.shape[0] ?? 0 }, (_, head) => at(gradient, head).data)
}

/** The class token's scores in one head with `alpha` times the structure's bias, [token]. */
export function scoresUnder(study: TailStudy, head: number, alpha: number): Float64Array {
  return addScaled(study.scores[head] ?? [], study.bias[head] ?? [], alpha)
}

/** row + factor other, [token]; what the other lacks counts as 0. */
export function addScaled(row: ArrayLike<number>, other: ArrayLike<number>, factor: number): Float64Array {
  const sum = new Float64Array(row.length)
  for (let token = 0; token < sum.length; token++) sum[token] = (row[token] ?? 0) + factor * (other[token] ?? 0)
  return sum
}
