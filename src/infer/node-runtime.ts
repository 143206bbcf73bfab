/** ONNX Runtime's Node binding behind the room's own nouns; its tensors never leave this file. */
import { env, InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node'
import { Problem } from '../domain/problem.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'
import type { Feed, Feeds, Runtime, Session } from './runtime.ts'

/** An engine is a process with one thread: spinning would only take the time of its neighbors (ONNX Runtime #17011). */
const OPTIONS: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
  extra: { session: { intra_op: { allow_spinning: '0' } } },
}

export const nodeRuntime: Runtime = {
  name: `onnxruntime-node ${env.versions.node ?? 'of unknown version'} cpu`,
  async open(graph: Uint8Array): Promise<Session> {
    return sessionOf(await InferenceSession.create(graph, OPTIONS))
  },
}

function sessionOf(session: InferenceSession): Session {
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(feeds, fetches): Promise<ReadonlyMap<string, Tensor>> {
      const results = await session.run(toOrt(feeds), fetches)
      return new Map(fetches.map((name) => [name, fromOrt(name, results[name])]))
    },
    release: () => session.release(),
  }
}

function toOrt(feeds: Feeds): Record<string, OrtTensor> {
  return Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, ortTensor(feed)]))
}

function ortTensor(feed: Feed): OrtTensor {
  return feed.type === 'float32' ? new OrtTensor('float32', feed.data, feed.shape) : new OrtTensor('uint32', feed.data, feed.shape)
}

function fromOrt(name: string, value: OrtTensor | undefined): Tensor {
  if (value === undefined) throw new Problem('output-missing', `the graph gave no ${name}`, { output: name })
  if (!(value.data instanceof Float32Array)) throw new Problem('output-missing', `the graph gave ${name} as ${value.type}, not as float32`, { output: name })
  return tensorOf(value.data, value.dims)
}
