/** The models that this server has loaded, as they describe themselves. */
import { NOTICE } from '../domain/prediction.ts'
import { Problem } from '../domain/problem.ts'
import type { PublishedModel } from '../domain/published-model.ts'
import type { Call, Handler } from './call.ts'

/** Throws: "model-unknown". */
export function findModel(models: readonly PublishedModel[], id: unknown): PublishedModel {
  const model = models.find(({ manifest }) => manifest.id === id)
  if (model === undefined) throw new Problem('model-unknown', 'there is no model of this id', {})
  return model
}

export function listModelsHandler(models: readonly PublishedModel[]): Handler {
  const list = { models: models.map(toEntry), notice: NOTICE }
  return ({ response }) => void response.json(list)
}

function toEntry({ manifest, card }: PublishedModel): unknown {
  const { id, version, title, network, intendedUse } = manifest
  const path = `/v1/models/${id}`
  return {
    id,
    version,
    title,
    network,
    classes: manifest.classes.map(({ name }) => name),
    modalities: manifest.input.modalities,
    intendedUse,
    graphSha256: manifest.graph.sha256,
    href: { model: path, card: card === null ? null : `${path}/card`, predictions: `${path}/predictions` },
  }
}

export function getModelHandler(models: readonly PublishedModel[]): Handler {
  return (call) => void call.response.json(findAsked(models, call).manifest)
}

export function getModelCardHandler(models: readonly PublishedModel[]): Handler {
  return (call) => {
    const { card } = findAsked(models, call)
    if (card === null) throw new Problem('model-unknown', 'this model brings no card', {})
    call.response.type('text/markdown').send(card)
  }
}

function findAsked(models: readonly PublishedModel[], { parameters, facts }: Call): PublishedModel {
  const model = findModel(models, parameters['model'])
  facts.model = model.manifest.id
  return model
}
