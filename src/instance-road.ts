/**
 * The road for an instance that nobody waits for: its header read, the rules asked, each chosen frame predicted, and the answers made
 * into DICOM objects for an archive.
 *
 * Runs where files are decoded, in an engine or in a command. Equal arguments give equal bytes.
 */
import type { DicomResult, OmittedResult, RgbImage } from './domain/dicom-result.ts'
import type { Prediction } from './domain/prediction.ts'
import { Problem } from './domain/problem.ts'
import { decodeImage } from './imaging/decode-image.ts'
import { toDisplayImage } from './imaging/to-display-image.ts'
import type { Bundle } from './infer/load-bundle.ts'
import { draw, predict } from './pipeline.ts'
import { buildResults } from './results/build-results.ts'
import { decideRoute, type RouteDecision } from './routing/decide-route.ts'
import type { InstanceRequest, InstanceResult, PredictedFrame } from './routing/instance.ts'
import { readRoutingFacts } from './routing/routing-facts.ts'

/**
 * What became of the instance.
 *
 * bundles   by model id
 * software  name and version of this program, for the provenance
 *
 * Throws: whatever the road throws; "model-unknown" where the bundle is not there.
 */
export async function processInstance(bundles: ReadonlyMap<string, Bundle>, request: InstanceRequest, software: string): Promise<InstanceResult> {
  const decision = decide(request)
  if (decision.kind === 'skip') return { kind: 'skipped', reason: decision.reason }
  const bundle = bundles.get(decision.modelId)
  if (bundle === undefined) throw new Problem('model-unknown', 'there is no model of this id', {})
  const frames: PredictedFrame[] = []
  const objects: DicomResult[] = []
  const omitted: OmittedResult[] = []
  for (const frame of decision.frames) {
    const options = { frame, maps: null, explainedClass: null, seed: 0, samples: 0 }
    const { prediction, source } = await predict(bundle, { kind: 'predict', modelId: decision.modelId, bytes: request.bytes, options }, software)
    frames.push({ frame, prediction })
    // A picture without identity can be filed nowhere.
    if (source === null) continue
    const results = buildResults(prediction, source, await drawPanel(prediction, request), request.environment)
    objects.push(...results.objects)
    omitted.push(...results.omitted)
  }
  return { kind: 'results', modelId: decision.modelId, frames, objects, omitted, destinations: request.destinations ?? decision.destinations }
}

function decide({ bytes, arrival, rules, modelId }: InstanceRequest): RouteDecision {
  if (modelId !== null) return { kind: 'predict', rule: 'by name', modelId, frames: [1], destinations: [] }
  return decideRoute(readRoutingFacts(bytes), arrival, rules).decision
}

/** The panel's pixels, by way of the picture that the API shows: the two can't differ. null where the answer has no map. */
async function drawPanel(prediction: Prediction, { requestId, environment }: InstanceRequest): Promise<RgbImage | null> {
  const { explanation, display, input, model, provenance } = prediction
  const [map] = explanation.maps
  const predictedClass = explanation.classes.find(({ name }) => name === explanation.predictedClass)
  if (map === undefined || predictedClass === undefined) return null
  const { bytes } = await draw({
    kind: 'render',
    display,
    placement: input.placement,
    map,
    maps: explanation.maps,
    caption: {
      requestId,
      createdAt: environment.createdAt,
      modelId: model.id,
      modelVersion: model.version,
      graphSha256: model.graphSha256,
      inputSha256: provenance.inputSha256,
      predictedClass,
    },
    options: { format: 'png', style: 'panel', alpha: 0.4, head: null, colormap: null, size: 'source' },
  })
  const { rows, columns, channels, pixels } = toDisplayImage((await decodeImage(bytes, { frame: 1 })).image)
  return { rows, columns, pixels: channels === 3 ? pixels : repeatChannels(pixels) }
}

function repeatChannels(gray: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: gray.length * 3 }, (_, index) => gray[Math.floor(index / 3)] ?? 0)
}
