/** What the rest of the room asks of an ONNX runtime: bytes in, a session out; named inputs in, named tensors out. */
import type { Tensor } from '../tensor/tensor.ts'

/** One input of a run. Axes outermost first, the batch included. */
export type Feed =
  | { readonly type: 'float32'; readonly data: Float32Array; readonly shape: readonly number[] }
  | { readonly type: 'uint32'; readonly data: Uint32Array; readonly shape: readonly number[] }

export type Feeds = Readonly<Record<string, Feed>>

export interface Session {
  readonly inputNames: readonly string[]
  readonly outputNames: readonly string[]
  /** The fetched outputs by name. Throws: "output-missing" where one is absent or isn't float32. */
  run(feeds: Feeds, fetches: readonly string[]): Promise<ReadonlyMap<string, Tensor>>
  release(): Promise<void>
}

export interface Runtime {
  /** Name, version and device, as an answer's provenance states it. */
  readonly name: string
  /** Rejects where the runtime doesn't take the graph. Nothing is ever opened by path. */
  open(graph: Uint8Array): Promise<Session>
}
