/** The engine's entry: loads every bundle of the models folder, then walks the road for one request at a time. */

import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Predicted, PredictRequest } from '../domain/prediction.ts'
import { Problem } from '../domain/problem.ts'
import { type Bundle, loadBundle } from '../infer/load-bundle.ts'
import { processInstance } from '../instance-road.ts'
import { draw, perturb, perturbationMap, predict } from '../pipeline.ts'
import { makeResults, sealOrigin } from '../results-road.ts'
import type { InstanceResult } from '../routing/instance.ts'
import type { EngineRequest, EngineResult, EngineStart } from './messages.ts'
import { type EngineWork, serveJobs } from './serve-jobs.ts'

serveJobs(loadWork)

async function loadWork({ modelsFolder, trustedKeys, software }: EngineStart): Promise<EngineWork> {
  const bundles = new Map<string, Bundle>()
  for (const name of await readdir(modelsFolder)) {
    if (!existsSync(join(modelsFolder, name, 'manifest.json'))) continue
    const bundle = await loadBundle(join(modelsFolder, name), { trustedKeys })
    bundles.set(bundle.manifest.id, bundle)
  }
  return {
    models: [...bundles.keys()].sort(),
    run: (request, advanced) => answer(bundles, request, software, advanced),
    release: async () => {
      for (const bundle of bundles.values()) await bundle.release()
    },
  }
}

async function answer(bundles: ReadonlyMap<string, Bundle>, request: EngineRequest, software: string, advanced: () => void): Promise<EngineResult> {
  switch (request.kind) {
    case 'render':
      return draw(request)
    case 'results':
      return makeResults(request)
    case 'instance':
      return firstPrediction(await processInstance(bundles, request.instance, software, advanced))
    case 'predict':
      return predictSealed(bundles, request, software)
    case 'perturb':
      return perturb(bundleOf(bundles, request.order.modelId), request)
    case 'perturbation-map':
      return perturbationMap(bundleOf(bundles, request.order.modelId), request)
  }
}

/** An answer of hundreds of frames would carry as many images with it, and none but the first frame's prediction is kept. */
function firstPrediction(result: InstanceResult): InstanceResult {
  return result.kind === 'results' ? { ...result, frames: result.frames.slice(0, 1) } : result
}

/** The identity that the road brings along by its side leaves this process sealed: no route shows it. */
async function predictSealed(bundles: ReadonlyMap<string, Bundle>, request: PredictRequest, software: string): Promise<Predicted> {
  const { prediction, source } = await predict(bundleOf(bundles, request.modelId), request, software)
  return { prediction, origin: sealOrigin(source) }
}

function bundleOf(bundles: ReadonlyMap<string, Bundle>, modelId: string): Bundle {
  const bundle = bundles.get(modelId)
  if (bundle === undefined) throw new Problem('model-unknown', 'there is no model of this id', {})
  return bundle
}
