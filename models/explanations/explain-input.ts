/** One input through a bundle in, its explanation out: the same calls as on the server's road. */
import type { Explanation } from '../../src/domain/explanation.ts'
import type { InputTensor } from '../../src/domain/image.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import { statedOnBlank } from '../../src/explain/blank-patches.ts'
import { explain, outputsNeeded } from '../../src/explain/explain.ts'
import { availableMethods } from '../../src/explain/map-catalog.ts'
import type { Bundle } from '../../src/infer/load-bundle.ts'

/** Every map of one run; the spread over drawn masks needs draws and is left out. */
export function measuredMaps(manifest: Manifest): readonly string[] {
  return availableMethods(manifest)
    .map(({ name }) => name)
    .filter((name) => name !== 'mask-spread')
}

/** The explanation of one class; of the predicted one where `explainedClass` is null. */
export async function explainInput(bundle: Bundle, input: InputTensor, explainedClass: string | null): Promise<Explanation> {
  const { manifest } = bundle
  const maps = measuredMaps(manifest)
  const outputs = await bundle.run(input, { outputs: outputsNeeded(manifest, maps), withoutStructure: manifest.structure !== null, seed: 0, samples: 0 })
  return statedOnBlank(await explain(manifest, outputs, bundle.tailFor(outputs), { frame: 1, maps, explainedClass, seed: 0, samples: 0 }), manifest, input)
}
