/** An explanation's job and the prediction that it explains in, the explanation as the API shows it out. */
import type { ExplanationAnswer, MapLinks, PredictionAnswer } from '../domain/answer.ts'
import type { ExplanationJob } from '../domain/explanation-job.ts'
import { NOTICE } from '../domain/prediction.ts'
import { toMapAnswer } from './to-answer.ts'
import { toJobProblem } from './to-job-answer.ts'

export function toExplanationAnswer(job: ExplanationJob, prediction: PredictionAnswer): ExplanationAnswer {
  const { id, order, state, progress, createdAt, finishedAt, problem, map } = job
  const { predictionId, method, explainedClass } = order
  const self = toExplanationPath(predictionId, id)
  const isRise = method.kind === 'rise'
  return {
    id,
    predictionId,
    state,
    progress: { ...progress, share: progress.done / progress.total },
    method: method.kind,
    baseline: isRise ? null : method.baseline,
    masks: isRise ? method.masks : null,
    seed: isRise ? method.seed : null,
    explainedClass,
    createdAt,
    finishedAt,
    problem: toJobProblem(problem),
    model: prediction.model,
    frame: prediction.input.frame,
    provenance: prediction.provenance,
    map: map === null ? null : toMapAnswer(map, prediction.classes, linksBelow(self)),
    href: { self, prediction: `/v1/predictions/${predictionId}` },
    notice: NOTICE,
  }
}

export function toExplanationPath(predictionId: string, id: string): string {
  return `/v1/predictions/${predictionId}/explanations/${id}`
}

function linksBelow(path: string): MapLinks {
  return { png: `${path}/map.png`, svg: `${path}/map.svg`, npy: `${path}/map.npy`, json: `${path}/map.json` }
}
