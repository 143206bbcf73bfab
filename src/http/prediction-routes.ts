/** Images in, predictions and their maps out. */
import type { MapLinks, PredictionAnswer } from '../domain/answer.ts'
import type { ExplanationMap } from '../domain/explanation.ts'
import type { PredictionArtifacts } from '../domain/kept-prediction.ts'
import type { MapFormat, MapStyle, Predicted, PredictionOptions, RenderOptions } from '../domain/prediction.ts'
import { Problem } from '../domain/problem.ts'
import type { PublishedModel } from '../domain/published-model.ts'
import { type ByteBudget, ByteCollector } from './byte-collector.ts'
import type { Call, Handler } from './call.ts'
import type { HttpContext } from './http-context.ts'
import type { Metrics } from './metrics.ts'
import { findModel } from './model-routes.ts'
import type { Parameters } from './read-parameters.ts'
import { readUpload } from './read-upload.ts'
import { toAnswer, toArtifacts, toKeptAnswer, toMapPaths } from './to-answer.ts'

/** Pixels along the longest side of a picture that comes inline: the maps of a large radiograph would make an answer of 50 MB. */
const INLINE_LONGEST_SIDE = 1024

export function createPredictionHandler(context: HttpContext, budget: ByteBudget, metrics: Metrics): Handler {
  return async (call) => {
    const model = findModel(context.models, call.parameters['model'])
    call.facts.model = model.manifest.id
    const options = readOptions(call.parameters, model)
    if (context.stopping.aborted) throw new Problem('model-not-ready', 'the server is stopping', {})
    context.engines.refuseIfFull()
    const predicted = await predictUpload(context, call, budget, model, options)
    metrics.observePrediction(predicted.prediction)
    const answer = call.parameters['store'] === false ? await answerInline(context, call, predicted) : await answerKept(context, predicted)
    call.response.setHeader('Cache-Control', 'no-store')
    call.response.json(answer)
  }
}

/** The body's bytes count against the budget until the engine has answered: till then they may be needed for a second try. */
async function predictUpload(context: HttpContext, call: Call, budget: ByteBudget, model: PublishedModel, options: PredictionOptions): Promise<Predicted> {
  const collector = new ByteCollector(context.maxBodyBytes, budget)
  try {
    const bytes = await readUpload(call.request, call.response, collector, { maxBodyBytes: context.maxBodyBytes, budget })
    return await context.engines.predict({ kind: 'predict', modelId: model.manifest.id, bytes, options }, call.signal)
  } finally {
    collector.release()
  }
}

async function answerKept(context: HttpContext, { prediction, origin }: Predicted): Promise<PredictionAnswer> {
  const id = context.newId()
  const createdAt = context.now().toISOString()
  const answer = toKeptAnswer(prediction, id, createdAt)
  await context.store.keep({ answer, artifacts: toArtifacts(prediction, id, createdAt), origin })
  return answer
}

async function answerInline(context: HttpContext, call: Call, { prediction }: Predicted): Promise<PredictionAnswer> {
  const id = context.newId()
  const createdAt = context.now().toISOString()
  const artifacts = toArtifacts(prediction, id, createdAt)
  const links = new Map<string, MapLinks>()
  const startedAtMs = performance.now()
  // One after the other: an answer must not fill the queue that it stands in.
  for (const map of prediction.explanation.maps) links.set(map.name, await drawInline(context, call, artifacts, map))
  const timed = { ...prediction, timingMs: { ...prediction.timingMs, render: performance.now() - startedAtMs } }
  return toAnswer(timed, id, createdAt, (map) => links.get(map.name) ?? toMapPaths(id, map))
}

/** An SVG would hold the PNG once more: it is left out. */
async function drawInline(context: HttpContext, call: Call, artifacts: PredictionArtifacts, map: ExplanationMap): Promise<MapLinks> {
  const { rows, columns } = artifacts.display
  const size = Math.max(rows, columns) > INLINE_LONGEST_SIDE ? INLINE_LONGEST_SIDE : 'source'
  const draw = async (format: MapFormat): Promise<string> => {
    const { mediaType, bytes } = await render(context, artifacts, map, { format, style: 'overlay', alpha: 0.5, head: null, colormap: null, size }, call.signal)
    return `data:${mediaType};base64,${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')}`
  }
  return { png: await draw('png'), svg: null, npy: await draw('npy'), json: await draw('json') }
}

function render(
  context: HttpContext,
  artifacts: PredictionArtifacts,
  map: ExplanationMap,
  options: RenderOptions,
  signal: AbortSignal,
): ReturnType<HttpContext['engines']['render']> {
  const { display, placement, maps, caption } = artifacts
  return context.engines.render({ kind: 'render', display, placement, map, maps, caption, options }, signal)
}

export function getPredictionHandler(context: HttpContext): Handler {
  return async ({ parameters, response }) => {
    const answer = await context.store.findAnswer(String(parameters['id']))
    response.setHeader('Cache-Control', 'no-store')
    response.json(answer)
  }
}

export function getMapHandler(context: HttpContext): Handler {
  return async (call) => {
    const { parameters, facts } = call
    const artifacts = await context.store.findArtifacts(String(parameters['id']))
    const model = context.models.find(({ manifest }) => manifest.id === artifacts.caption.modelId)
    facts.model = model?.manifest.id ?? null
    const map = findMap(artifacts, parameters['map'])
    checkClass(artifacts, map, model, parameters['class'])
    await sendMap(context, call, artifacts, map)
  }
}

/** Answers with the map, drawn as the query asks. */
export async function sendMap(context: HttpContext, { parameters, response, signal }: Call, artifacts: PredictionArtifacts, map: ExplanationMap): Promise<void> {
  const { mediaType, bytes } = await render(context, artifacts, map, readRenderOptions(parameters, map), signal)
  response.setHeader('Cache-Control', 'no-store')
  // Bytes are sent as they are: a text type given to a Buffer would be given a charset.
  response.setHeader('Content-Type', mediaType)
  response.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
}

function findMap(artifacts: PredictionArtifacts, name: Parameters[string]): ExplanationMap {
  const map = artifacts.maps.find((candidate) => candidate.name === name)
  if (map !== undefined) return map
  throw new Problem('map-unknown', 'the prediction has no map of this name', { available: artifacts.maps.map((each) => each.name) })
}

/** The values are there: openapi.yaml gives each its default. */
function readOptions(parameters: Parameters, { manifest }: PublishedModel): PredictionOptions {
  const explainedClass = (parameters['class'] as string | undefined) ?? null
  if (explainedClass !== null) checkKnownClass(explainedClass, manifest.classes)
  const samples = parameters['samples'] as number
  if (samples > 0 && manifest.network !== 'sbm-vit') throw new Problem('parameter-invalid', 'samples: this network draws no masks', { parameter: 'samples' })
  return { frame: parameters['frame'] as number, maps: (parameters['maps'] as readonly string[] | undefined) ?? null, explainedClass, seed: parameters['seed'] as number, samples }
}

function readRenderOptions(parameters: Parameters, map: ExplanationMap): RenderOptions {
  const head = (parameters['head'] as number | undefined) ?? null
  const heads = map.heads?.shape[0] ?? 0
  if (head !== null && head >= heads) {
    throw new Problem('parameter-invalid', heads === 0 ? 'head: this map shows no single heads' : `head must be below ${heads}`, { parameter: 'head' })
  }
  return {
    format: parameters['format'] as MapFormat,
    style: parameters['style'] as MapStyle,
    alpha: parameters['alpha'] as number,
    head,
    colormap: (parameters['colormap'] as string | undefined) ?? null,
    size: parameters['size'] as RenderOptions['size'],
    strip: parameters['strip'] as boolean,
  }
}

/** The image is not kept, so another class can't be explained afterwards; a map of no class is the same for each. */
function checkClass(artifacts: PredictionArtifacts, map: ExplanationMap, model: PublishedModel | undefined, name: Parameters[string]): void {
  if (typeof name !== 'string') return
  if (map.classSpecific && name !== artifacts.explainedClass) {
    throw new Problem('parameter-invalid', `class: this prediction explains ${artifacts.explainedClass}; ask for a prediction that explains the other class`, {
      parameter: 'class',
    })
  }
  if (model !== undefined) checkKnownClass(name, model.manifest.classes)
}

/** Throws: "parameter-invalid". */
export function checkKnownClass(name: string, classes: readonly { readonly name: string }[]): void {
  if (classes.some((each) => each.name === name)) return
  throw new Problem('parameter-invalid', `class must be one of ${classes.map((each) => each.name).join(', ')}`, { parameter: 'class' })
}
