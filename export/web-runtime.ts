/** ONNX Runtime Web (WebAssembly) behind infer's nouns: the second runtime that every exported graph must agree with. */
import { env, InferenceSession, Tensor as OrtTensor } from 'onnxruntime-web'
import { Problem } from '../src/domain/problem.ts'
import type { Feed, Feeds, Runtime, Session } from '../src/infer/runtime.ts'
import { type Tensor, tensorOf } from '../src/tensor/tensor.ts'

// One thread: several would need worker files that a command line need not start.
env.wasm.numThreads = 1
env.logLevel = 'error'

export const webRuntime: Runtime = {
  name: `onnxruntime-web ${env.versions.web ?? 'of unknown version'} wasm`,
  async open(graph: Uint8Array): Promise<Session> {
    const session = await InferenceSession.create(graph, { executionProviders: ['wasm'], logSeverityLevel: 3 })
    return {
      inputNames: session.inputNames,
      outputNames: session.outputNames,
      async run(feeds, fetches): Promise<ReadonlyMap<string, Tensor>> {
        const results = await session.run(toOrt(feeds), fetches)
        return new Map(fetches.map((name) => [name, fromOrt(name, results[name])]))
      },
      release: () => session.release(),
    }
  },
}

function toOrt(feeds: Feeds): Record<string, OrtTensor> {
  return Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, ortTensor(feed)]))
}

function ortTensor(feed: Feed): OrtTensor {
  return feed.type === 'float32' ? new OrtTensor('float32', feed.data, feed.shape) : new OrtTensor('uint32', feed.data, feed.shape)
}

function fromOrt(name: string, value: OrtTensor | undefined): Tensor {
  if (value === undefined || !(value.data instanceof Float32Array)) throw new Problem('output-missing', `the graph gave no ${name} as float32`, { output: name })
  return tensorOf(Float32Array.from(value.data), value.dims)
}
