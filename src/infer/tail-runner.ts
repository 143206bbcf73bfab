/** One image's last block in, a function that answers changes of its class-token row out: src/domain/outputs.ts has the axes. */
import type { ModelOutputs, RunTail, TailAnswer, TailQuery } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import { firstRows } from '../tensor/first-rows.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'
import { allFinite } from './read-output.ts'
import type { Feed, Session } from './runtime.ts'

/** A bundle's tail, and the same graph without its gradient. */
export interface TailSessions {
  readonly whole: Session
  readonly logits: Session
}

/** The tail's graph for one image, or null where the outputs lack what it starts from: scores, values and residual. */
export function createTailRunner(sessions: TailSessions, { asTrained }: ModelOutputs): RunTail | null {
  const { values, residual } = asTrained
  const scores = asTrained.classTokenScores ?? (asTrained.scores === undefined ? undefined : firstRows(asTrained.scores))
  if (scores === undefined || values === undefined || residual === undefined) return null
  const image = { scores: feed(scores), values: feed(values), residual: feed(residual) }
  return async (query) => {
    checkQuery(query, scores)
    const rows = query.alpha.length
    const changes = { alpha: feed(tensorOf(query.alpha, [rows])), bias: feed(query.bias), keep: feed(query.keep) }
    const feeds = { ...image, ...changes }
    if (query.wants !== 'logits') return answer(await sessions.whole.run(feeds, ['logits', 'gradient']))
    const results = await sessions.logits.run(feeds, ['logits'])
    return { logits: finite(results, 'logits'), gradient: tensorOf(new Float32Array(0), [0]) }
  }
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

function checkQuery(query: TailQuery, scores: Tensor): void {
  const expected = [query.alpha.length, scores.shape[0] ?? 0, scores.shape[1] ?? 0]
  for (const tensor of [query.bias, query.keep]) {
    if (tensor.shape.join() !== expected.join()) throw new Problem('shape-mismatch', 'a change of the last block', { expected, actual: tensor.shape })
  }
}

function feed({ shape, data }: Tensor): Feed {
  return { type: 'float32', data, shape }
}
