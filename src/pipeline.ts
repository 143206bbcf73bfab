/**
 * The one road: bytes in, class probabilities and maps out.
 *
 *   bytes -> DecodedImage -> InputTensor -> ModelOutputs -> Explanation, InputCheck -> Prediction        Prediction's maps -> pictures
 *                                |
 *                                +-> hundreds of changed ones -> probabilities, slice by slice -> one more map
 *
 * Only this file knows the order of the steps. It runs inside an engine process, holds nothing between images, and touches
 * neither clock of day, network nor disk.
 */
import { createHash } from 'node:crypto'
import type { ExplanationMap } from './domain/explanation.ts'
import type { ImageFacts, ImageWarning } from './domain/image.ts'
import type { Manifest } from './domain/manifest.ts'
import { isMadeFor, isTelling } from './domain/modality.ts'
import { type PerturbationMapRequest, type PerturbationOrder, type PerturbRequest, passesOf, slicesOf } from './domain/perturbation.ts'
import type { Prediction, PredictRequest, RenderedMap, RenderRequest } from './domain/prediction.ts'
import { Problem } from './domain/problem.ts'
import type { SourceReference } from './domain/source-reference.ts'
import { statedOnBlank } from './explain/blank-patches.ts'
import { explain, outputsNeeded } from './explain/explain.ts'
import { probabilitiesOf } from './explain/forward-batch.ts'
import { checkInput } from './explain/input-check.ts'
import { perturbationOf } from './explain/perturbation.ts'
import { needsRunWithoutStructure } from './explain/structure-layers.ts'
import { decodeImage } from './imaging/decode-image.ts'
import { toDisplayImage } from './imaging/to-display-image.ts'
import { preprocessingSha256, toInputTensor } from './imaging/to-input-tensor.ts'
import type { Bundle } from './infer/load-bundle.ts'
import { renderMap } from './render/render-map.ts'
import { softmax } from './tensor/softmax.ts'
import { at, tensorOf } from './tensor/tensor.ts'

/**
 * One slice of a map that takes many forward passes: the class's probability in each pass of it.
 *
 * returns  [pass of the slice]
 *
 * Throws: "parameter-invalid", "shape-mismatch", "output-not-finite".
 */
export async function perturb(bundle: Bundle, { order, start, count }: PerturbRequest): Promise<Float64Array> {
  const { channels, height, width } = bundle.manifest.input
  return probabilitiesOf(perturbationOf(bundle.manifest, order), start, count, async (pixels, batch) => {
    const logits = await bundle.forward(tensorOf(pixels, [batch, channels, height, width]), order.networkSeed)
    const probabilities = new Float64Array(logits.data.length)
    for (let image = 0; image < batch; image++) probabilities.set(softmax(at(logits, image).data), image * bundle.manifest.classes.length)
    return probabilities
  })
}

/** The map itself, once every slice is done. */
export function perturbationMap({ manifest }: Bundle, { order, probabilities }: PerturbationMapRequest): ExplanationMap {
  return perturbationOf(manifest, order).toMap(probabilities)
}

/** All of it in one go, for those who have the bundle to themselves: the same slices as one by one, and the same bits. */
export async function explainByPasses(bundle: Bundle, order: PerturbationOrder): Promise<ExplanationMap> {
  const probabilities = new Float64Array(passesOf(order.method, bundle.manifest))
  for (const { start, count } of slicesOf(order.method, bundle.manifest)) probabilities.set(await perturb(bundle, { kind: 'perturb', order, start, count }), start)
  return perturbationMap(bundle, { kind: 'perturbation-map', order, probabilities })
}

/** One map as a picture, an array or JSON: the road's last step, asked for when somebody looks. */
export function draw(request: RenderRequest): Promise<RenderedMap> {
  return renderMap(request)
}

/** A prediction, and by the side road the identity of what it was made from: only `results` and `pacs` may look at that. */
export interface RoadEnd {
  readonly prediction: Prediction
  readonly source: SourceReference | null
}

/**
 * The answer of one bundle to one image.
 *
 * software  name and version of this program, for the provenance
 *
 * Throws: a request Problem where the image can't be read or is out of the model's scope; "map-unknown"; "parameter-invalid".
 */
export async function predict(bundle: Bundle, request: PredictRequest, software: string): Promise<RoadEnd> {
  const { manifest } = bundle
  const { options } = request
  const lap = stopwatch()

  const needed = outputsNeeded(manifest, options.maps)
  const { image, source } = await decodeImage(request.bytes, { frame: options.frame })
  const facts = withScope(image.facts, manifest)
  const decode = lap()

  const input = toInputTensor(image, manifest.input)
  const preprocess = lap()

  const outputs = await bundle.run(input, { outputs: needed, withoutStructure: needsRunWithoutStructure(manifest), seed: options.seed, samples: options.samples })
  const infer = lap()

  const explanation = statedOnBlank(await explain(manifest, outputs, bundle.tailFor(outputs), options), manifest, input)
  const inputCheck = checkInput(manifest, image, input, outputs)
  const display = toDisplayImage(image)

  const prediction: Prediction = {
    model: { id: manifest.id, version: manifest.version, network: manifest.network, graphSha256: manifest.graph.sha256 },
    input: { ...facts, placement: input.placement },
    explanation,
    inputCheck,
    display,
    networkInput: input.pixels,
    provenance: {
      software,
      graphSha256: manifest.graph.sha256,
      preprocessingSha256: preprocessingSha256(manifest.input),
      inputSha256: createHash('sha256').update(request.bytes).digest('hex'),
      seed: manifest.structure?.seedInput ? options.seed : null,
      runtime: bundle.runtime,
    },
    timingMs: { decode, preprocess, infer, explain: lap(), queue: 0, render: 0 },
  }
  return { prediction, source }
}

/**
 * The image's facts with what is to be said of its scope. A file that does not say what it shows is let through, and the answer says so.
 *
 * Throws: "image-out-of-scope" where the file's modality is one that the model was not made for.
 */
function withScope(facts: ImageFacts, manifest: Manifest): ImageFacts {
  const accepted = manifest.input.modalities
  if (isMadeFor(accepted, facts.modality)) return facts
  if (!isTelling(facts.modality)) {
    const warning: ImageWarning = { code: 'modality-unknown', detail: `The file does not say its modality; this model was made for ${accepted.join(', ')}.` }
    return { ...facts, warnings: [...facts.warnings, warning] }
  }
  throw new Problem('image-out-of-scope', `This model was made for ${accepted.join(', ')}, the file's modality is ${facts.modality}.`, { modality: facts.modality })
}

/** A function that gives the milliseconds since it was called last. */
function stopwatch(): () => number {
  let last = performance.now()
  return () => {
    const now = performance.now()
    const elapsed = Math.round((now - last) * 100) / 100
    last = now
    return elapsed
  }
}
