/** A bundle's folder in, a model that runs out: everything is checked before the first image, and only bytes reach the runtime. */
import type { ModelProto } from 'onnx-buf'
import type { InputTensor } from '../domain/image.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { ModelOutputs, RunTail } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import type { Tensor } from '../tensor/tensor.ts'
import { type BundleFiles, readBundleFiles } from './bundle-files.ts'
import { checkGraph, checkHash, refuse } from './check-graph.ts'
import { inlineFunctions } from './inline-functions.ts'
import { createModelRunner, type ModelRunner } from './model-runner.ts'
import { nodeRuntime } from './node-runtime.ts'
import { keepOutputs, withAnyKeys } from './prune-graph.ts'
import type { RunRequest } from './run-request.ts'
import type { Runtime, Session } from './runtime.ts'
import { checkSignature } from './signature.ts'
import { createTailRunner, oneKey, TAIL_INPUTS, TAIL_KEY_AXES, type TailSessions } from './tail-runner.ts'

export interface Bundle {
  readonly manifest: Manifest
  /** Name, version and device of the runtime; says so where functions had to be written out for it. */
  readonly runtime: string
  /** Throws: "shape-mismatch", "output-missing", "output-not-finite", "parameter-invalid" for samples of a network that has none. */
  run(input: InputTensor, request: RunRequest): Promise<ModelOutputs>
  /**
   * The logits of many images in one call, as trained.
   *
   * pixels   [batch, channel, height, width], normalized
   * seed     of the masks of a network that draws them, the same for every image
   * returns  [batch, class]
   *
   * Throws: "shape-mismatch", "output-not-finite".
   */
  forward(pixels: Tensor, seed: number): Promise<Tensor>
  /** The last block's exact counterfactuals for these outputs, or null where the bundle has no tail or the run did not fetch what it needs. */
  tailFor(outputs: ModelOutputs): RunTail | null
  release(): Promise<void>
}

export interface LoadOptions {
  readonly runtime?: Runtime
  /** Public ed25519 keys (PEM, or base64 of the SPKI). With any given, an unsigned bundle is refused. */
  readonly trustedKeys?: readonly string[]
}

/**
 * The bundle of a folder, warmed by one run of every declared output.
 *
 * Throws: "manifest-invalid" (with older, newer or where), "bundle-refused" with a reason of REFUSAL_REASONS.
 */
export async function loadBundle(folder: string, options: LoadOptions = {}): Promise<Bundle> {
  return openBundle(await readBundleFiles(folder), options)
}

/** The same from bytes that were read before. */
export async function openBundle(files: BundleFiles, options: LoadOptions = {}): Promise<Bundle> {
  const { manifest } = files
  if (options.trustedKeys !== undefined && options.trustedKeys.length > 0) checkSignature(files, options.trustedKeys)
  const runtime = options.runtime ?? nodeRuntime
  const sessions: Session[] = []
  const release = async (): Promise<void> => {
    for (const session of sessions.splice(0)) await session.release()
  }
  try {
    const main = await openGraph(runtime, files.graph, manifest.graph.sha256)
    sessions.push(main.session)
    const tail = manifest.tail === null || files.tail === null ? null : await openTail(runtime, files.tail, manifest.tail.sha256)
    if (tail !== null) sessions.push(tail.whole, tail.logits)
    const runner = createModelRunner(manifest, main.session)
    await warm(runner, runtime)
    return {
      manifest,
      runtime: main.writtenOut ? `${runtime.name}, functions written out` : runtime.name,
      run: (input, request) => runner.run(input, request),
      forward: (pixels, seed) => runner.forward(pixels, seed),
      tailFor: (outputs) => (tail === null ? null : createTailRunner(tail, outputs)),
      release,
    }
  } catch (error) {
    await release()
    throw error
  }
}

async function warm(runner: ModelRunner, runtime: Runtime): Promise<void> {
  try {
    await runner.warm()
  } catch (cause) {
    throw cause instanceof Problem ? cause : refuse('runtime', `${runtime.name} takes the graph but does not run it`, cause)
  }
}

/**
 * A session, by the order of docs/bundle.md: the graph as it is; where the runtime refuses it and it brings functions, the same graph
 * written out in standard operations.
 */
async function openGraph(runtime: Runtime, bytes: Uint8Array, sha256: string): Promise<{ session: Session; writtenOut: boolean; model: ModelProto }> {
  checkHash(bytes, sha256)
  const model = checkGraph(bytes)
  try {
    return { session: await runtime.open(bytes), writtenOut: false, model }
  } catch (cause) {
    if (model.functions.length === 0) throw refuse('runtime', `${runtime.name} does not take the graph`, cause)
    return { session: await openWrittenOut(runtime, model), writtenOut: true, model }
  }
}

/** Both sessions of a tail, or none. */
async function openTail(runtime: Runtime, bytes: Uint8Array, sha256: string): Promise<TailSessions> {
  const { session: whole, model } = await openGraph(runtime, bytes, sha256)
  try {
    checkTailInputs(whole)
    return { whole, ...(await openLogits(runtime, model)) }
  } catch (cause) {
    await whole.release()
    throw cause instanceof Problem ? cause : refuse('runtime', `${runtime.name} does not take the tail without its gradient`, cause)
  }
}

function checkTailInputs({ inputNames }: Session): void {
  const differs = inputNames.length !== TAIL_INPUTS.length || !TAIL_INPUTS.every((name) => inputNames.includes(name))
  if (differs) throw refuse('input-mismatch', `the tail takes ${inputNames.join(', ')}, not ${TAIL_INPUTS.join(', ')}: it was exported by another version of this program`)
}

/** The tail without its gradient, for any number of keys where its nodes allow it: a run with one key tells. */
async function openLogits(runtime: Runtime, model: ModelProto): Promise<Omit<TailSessions, 'whole'>> {
  const free = await runtime.open(keepOutputs(withAnyKeys(model, TAIL_KEY_AXES), ['logits']))
  try {
    await free.run(oneKey(model, free.inputNames), ['logits'])
    return { logits: free, takesAnyKeys: true }
  } catch {
    await free.release()
    return { logits: await runtime.open(keepOutputs(model, ['logits'])), takesAnyKeys: false }
  }
}

async function openWrittenOut(runtime: Runtime, model: ModelProto): Promise<Session> {
  try {
    return await runtime.open(inlineFunctions(model))
  } catch (cause) {
    throw refuse('runtime', `${runtime.name} takes the graph neither with functions nor written out`, cause)
  }
}
