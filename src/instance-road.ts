/**
 * The road for an instance that nobody waits for: its header read, the rules asked, each chosen frame predicted, and the answers made
 * into DICOM objects for an archive.
 *
 * Runs where files are decoded, in an engine or in a command. Equal arguments give equal bytes.
 */
import type { DicomResult, DicomResults, OmittedResult } from './domain/dicom-result.ts'
import type { Prediction } from './domain/prediction.ts'
import { Problem } from './domain/problem.ts'
import type { SourceReference } from './domain/source-reference.ts'
import type { Bundle } from './infer/load-bundle.ts'
import { predict } from './pipeline.ts'
import { makeAllResults, makeDeidentifiedResults, sealOrigin } from './results-road.ts'
import { decideRoute, type RouteDecision } from './routing/decide-route.ts'
import type { InstanceRequest, InstanceResult, PredictedFrame } from './routing/instance.ts'
import { readRoutingFacts } from './routing/routing-facts.ts'

/**
 * What became of the instance.
 *
 * bundles   by model id
 * software  name and version of this program, for the provenance
 * advanced  called after each frame
 *
 * Throws: whatever the road throws; "model-unknown" where the bundle is not there.
 */
export async function processInstance(bundles: ReadonlyMap<string, Bundle>, request: InstanceRequest, software: string, advanced: () => void = () => {}): Promise<InstanceResult> {
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
    frames.push({ frame, prediction, origin: sealOrigin(source) })
    // A picture without identity can be filed nowhere.
    const results = source === null ? { objects: [], omitted: [] } : makeFrameResults(request, prediction, source)
    objects.push(...results.objects)
    omitted.push(...results.omitted)
    advanced()
  }
  return { kind: 'results', modelId: decision.modelId, frames, objects, omitted, destinations: request.destinations ?? decision.destinations }
}

function makeFrameResults({ deidentification, requestId, environment }: InstanceRequest, prediction: Prediction, source: SourceReference): DicomResults {
  if (deidentification === undefined) return makeAllResults(prediction, source, requestId, environment)
  return makeDeidentifiedResults(prediction, source, deidentification)
}

function decide({ bytes, arrival, rules, modelId }: InstanceRequest): RouteDecision {
  if (modelId !== null) return { kind: 'predict', rule: 'by name', modelId, frames: [1], destinations: [] }
  return decideRoute(readRoutingFacts(bytes), arrival, rules).decision
}
