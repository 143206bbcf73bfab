/** A prediction of an engine in, the answer of the API out. */
import { createHash } from 'node:crypto'
import type { MapAnswer, MapFigures, MapLinks, PredictionAnswer, PredictionLinks } from '../domain/answer.ts'
import type { ClassOutput, ExplanationMap } from '../domain/explanation.ts'
import type { PredictionArtifacts } from '../domain/kept-prediction.ts'
import { captionOf, NOTICE, type Prediction } from '../domain/prediction.ts'

/** The answer of a prediction that is kept: it leads to itself, its maps and its explanations. */
export function toKeptAnswer(prediction: Prediction, id: string, createdAt: string): PredictionAnswer {
  return { ...toAnswer(prediction, id, createdAt, (map) => toMapPaths(id, map)), href: toPaths(id) }
}

/** The answer of a prediction that is not kept; `linksOf` says where each map is found. */
export function toAnswer(prediction: Prediction, id: string, createdAt: string, linksOf: (map: ExplanationMap) => MapLinks): PredictionAnswer {
  const { model, input, explanation, provenance, timingMs } = prediction
  return {
    id,
    createdAt,
    model,
    input,
    classes: explanation.classes,
    predictedClass: explanation.predictedClass,
    explainedClass: explanation.explainedClass,
    counterfactual: explanation.counterfactual,
    uncertainty: explanation.uncertainty,
    communities: explanation.communities,
    structure: explanation.structure,
    agreement: explanation.agreement,
    ...(prediction.inputCheck === undefined ? {} : { inputCheck: prediction.inputCheck }),
    maps: explanation.maps.map((map) => toMapAnswer(map, explanation.classes, linksOf(map))),
    provenance,
    timingMs,
    href: null,
    notice: NOTICE,
  }
}

/** What the API says of a map: all but its grid. */
export function toMapAnswer(map: ExplanationMap, classes: readonly Pick<ClassOutput, 'name'>[], href: MapLinks): MapAnswer & MapFigures {
  const { name, title, kind, classSpecific, role, range, unit, method, source, notes, altText } = map
  return { name, title, kind, classSpecific, role, heads: map.heads?.shape[0] ?? 0, range, unit, method, source, notes, altText, ...toFigures(map, classes), href }
}

function toFigures(map: ExplanationMap, classes: readonly Pick<ClassOutput, 'name'>[]): MapFigures {
  const { grid, layer, headRange, marks, numbers } = map
  const explained = classes.findIndex(({ name }) => name === map.explainedClass)
  return {
    shape: grid.shape,
    layer,
    head: null,
    headRange,
    explainedClass: map.explainedClass === null || explained < 0 ? null : { index: explained, name: map.explainedClass },
    marks,
    formula: map.formula ?? null,
    statistics: map.statistics ?? null,
    numbers,
    gridSha256: createHash('sha256')
      .update(new Uint8Array(grid.data.buffer, grid.data.byteOffset, grid.data.byteLength))
      .digest('hex'),
  }
}

/** The prediction again, from what was kept of it. */
export function toPrediction(answer: PredictionAnswer, { display, maps }: PredictionArtifacts): Prediction {
  const { model, input, classes, predictedClass, explainedClass, counterfactual, uncertainty, communities, structure, agreement, inputCheck, provenance, timingMs } = answer
  return {
    model,
    input,
    explanation: { classes, predictedClass, explainedClass, counterfactual, maps, structure, communities, agreement, uncertainty },
    ...(inputCheck === undefined ? {} : { inputCheck }),
    display,
    provenance,
    timingMs,
  }
}

function toPaths(id: string): PredictionLinks {
  const self = `/v1/predictions/${id}`
  return { self, explanations: `${self}/explanations` }
}

/** Paths of a kept prediction's map. */
export function toMapPaths(id: string, map: ExplanationMap): MapLinks {
  const path = `${toPaths(id).self}/maps/${map.name}`
  return { png: `${path}.png`, svg: `${path}.svg`, npy: `${path}.npy`, json: `${path}.json` }
}

/** What the maps of the prediction are drawn from. */
export function toArtifacts(prediction: Prediction, id: string, createdAt: string): PredictionArtifacts {
  const { explanation, display, input, networkInput } = prediction
  const { maps, explainedClass } = explanation
  return { display, placement: input.placement, ...(networkInput && { networkInput }), maps, explainedClass, caption: captionOf(prediction, id, createdAt) }
}
