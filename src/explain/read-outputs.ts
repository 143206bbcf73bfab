/** Names of outputs in, the tensors themselves out, or the failure that names the one that is missing. */
import type { Manifest } from '../domain/manifest.ts'
import type { NamedOutputs, OutputName } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import type { Tensor } from '../tensor/tensor.ts'

/** The outputs, if the bundle declares all of them. */
export function declared(manifest: Manifest, ...names: readonly OutputName[]): readonly OutputName[] | null {
  return names.every((name) => manifest.outputs[name] !== undefined) ? names : null
}

/** Throws: "output-missing". */
export function outputOf(outputs: NamedOutputs, name: OutputName): Tensor {
  const tensor = outputs[name]
  if (tensor === undefined) throw new Problem('output-missing', `the map needs the output ${name}`, { output: name })
  return tensor
}
