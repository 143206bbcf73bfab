/** Orders for maps of many forward passes in, their jobs and in the end their maps out. */
import type { PredictionAnswer } from '../domain/answer.ts'
import type { ExplanationMap } from '../domain/explanation.ts'
import type { ExplanationJob, ExplanationOrder } from '../domain/explanation-job.ts'
import type { Baseline, PerturbationMethod } from '../domain/perturbation.ts'
import { Problem } from '../domain/problem.ts'
import type { Call, Handler } from './call.ts'
import type { HttpContext } from './http-context.ts'
import { checkKnownClass, sendMap } from './prediction-routes.ts'
import type { Parameters } from './read-parameters.ts'
import { toExplanationAnswer, toExplanationPath } from './to-explanation-answer.ts'

const DEFAULT_BASELINE: Baseline = 'mean'
const DEFAULT_MASKS = 500
const DEFAULT_SEED = 0
const RETRY_AFTER_SECONDS = 2

export function orderExplanationHandler(context: HttpContext): Handler {
  return async (call) => {
    const prediction = await context.store.findAnswer(String(call.parameters['id']))
    const { job, isNew } = context.explanations.submit(readOrder(context, call, prediction))
    call.response.status(isNew ? 202 : 200).setHeader('Location', toExplanationPath(prediction.id, job.id))
    answer(call, toExplanationAnswer(job, prediction))
  }
}

/** Throws: "model-unknown" where the server no longer has the graph that made the prediction: another one would explain another answer. */
function readOrder(context: HttpContext, { parameters, facts }: Call, prediction: PredictionAnswer): ExplanationOrder {
  const model = context.models.find(({ manifest }) => manifest.id === prediction.model.id && manifest.graph.sha256 === prediction.model.graphSha256)
  if (model === undefined) throw new Problem('model-unknown', 'the model that made this prediction is no longer loaded', {})
  facts.model = model.manifest.id
  const { id, patchGrid, prefixTokens, classes } = model.manifest
  const name = (parameters['class'] as string | undefined) ?? prediction.explainedClass
  checkKnownClass(name, classes)
  return {
    predictionId: prediction.id,
    model: { id, patchGrid, prefixTokens },
    method: readMethod(parameters),
    explainedClass: { index: classes.findIndex((each) => each.name === name), name },
    networkSeed: prediction.provenance.seed ?? 0,
  }
}

function readMethod(parameters: Parameters): PerturbationMethod {
  if (parameters['method'] === 'occlusion') {
    refuseOthers(parameters, ['masks', 'seed'], 'occlusion covers every patch once and draws nothing')
    return { kind: 'occlusion', baseline: (parameters['baseline'] as Baseline | undefined) ?? DEFAULT_BASELINE }
  }
  refuseOthers(parameters, ['baseline'], 'what rise hides shows the mean')
  return { kind: 'rise', masks: (parameters['masks'] as number | undefined) ?? DEFAULT_MASKS, seed: (parameters['seed'] as number | undefined) ?? DEFAULT_SEED }
}

function refuseOthers(parameters: Parameters, names: readonly string[], reason: string): void {
  const name = names.find((each) => parameters[each] !== undefined)
  if (name !== undefined) throw new Problem('parameter-invalid', `${name}: ${reason}`, { parameter: name })
}

export function listExplanationsHandler(context: HttpContext): Handler {
  return async (call) => {
    const prediction = await context.store.findAnswer(String(call.parameters['id']))
    answer(call, { explanations: context.explanations.list(prediction.id).map((job) => toExplanationAnswer(job, prediction)) })
  }
}

export function getExplanationHandler(context: HttpContext): Handler {
  return answerWithExplanation(context, (predictionId, id) => context.explanations.find(predictionId, id))
}

export function cancelExplanationHandler(context: HttpContext): Handler {
  return answerWithExplanation(context, (predictionId, id) => context.explanations.cancel(predictionId, id))
}

/** The prediction is asked for first: with its time, that of its explanations is over too. */
function answerWithExplanation(context: HttpContext, act: (predictionId: string, id: string) => ExplanationJob): Handler {
  return async (call) => {
    const prediction = await context.store.findAnswer(String(call.parameters['id']))
    answer(call, toExplanationAnswer(act(prediction.id, String(call.parameters['explanation'])), prediction))
  }
}

export function getExplanationMapHandler(context: HttpContext): Handler {
  return async (call) => {
    const artifacts = await context.store.findArtifacts(String(call.parameters['id']))
    const job = context.explanations.find(artifacts.caption.requestId, String(call.parameters['explanation']))
    call.facts.model = job.order.model.id
    await sendMap(context, call, artifacts, mapOf(job))
  }
}

function mapOf({ state, map }: ExplanationJob): ExplanationMap {
  if (map !== null) return map
  if (state === 'queued' || state === 'running') throw new Problem('job-unfinished', 'the map is not there yet', { retryAfterSeconds: RETRY_AFTER_SECONDS })
  throw new Problem('map-unknown', state === 'failed' ? 'the explanation has failed' : 'the explanation was cancelled', { available: [] })
}

function answer({ response }: Call, body: object): void {
  response.setHeader('Cache-Control', 'no-store')
  response.json(body)
}
