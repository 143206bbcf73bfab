/** A checkpoint's training record and its evaluation in, what the manifest states of the model out. */

import { attentionMostlyOnBlank } from '../models/explanations/explanation-record.ts'
import type { NetworkConfig } from '../models/network-config.ts'
import { deadReason } from '../models/training/structure-diagnostics.ts'
import type { TrainingRecord } from '../models/training/training-record.ts'
import type { ExplanationRecord } from '../src/domain/manifest.ts'
import type { ModelFacts } from './build-manifest.ts'
import { classesOf } from './class-codes.ts'
import type { GraphEvaluation } from './evaluate-graph.ts'
import { scopeOf } from './training-scope.ts'

/** What the person who exports decides. */
export interface Release {
  readonly id: string
  readonly version: string
  /** ISO 8601, UTC. */
  readonly createdAt: string
  /** Of the checkpoint's file. */
  readonly checkpointSha256: string
}

export const INTENDED_USE = 'Research on attention that follows learned communities, and on showing it. Not a medical device, not for diagnosis, not for triage.'

/** What holds for every model; of the one map that was taught another sentence holds. */
function generalLimits(record: TrainingRecord): readonly string[] {
  const isTaught = supervisedOf(record).supervised !== undefined
  const taught =
    ' `supervised-community` alone was measured against readers’ masks of the same data set (docs/explanations.md): it shows what it was taught, and does not explain the answer.'
  return [
    'Trained on one public data set: no claim is made for other devices, populations, projections or protocols.',
    `The maps show what the network used. They are not validated for localization and do not show where a disease is.${isTaught ? taught : ''}`,
  ]
}

/**
 * evaluation    null where the data set was not at hand: the manifest then states no metrics and no temperature
 * explanations  null where the maps were not measured
 */
export function modelFacts(
  config: NetworkConfig,
  record: TrainingRecord,
  evaluation: GraphEvaluation | null,
  release: Release,
  explanations: ExplanationRecord | null = null,
): ModelFacts {
  const { data, normalization } = record
  const { checkpointSha256, ...identity } = release
  return {
    ...identity,
    title: record.title,
    // The sets were made by cutting the centered square of the short side; the filter of PIL's bilinear resize is as wide as the reduction.
    input: {
      fit: 'crop',
      resize: 'bilinear-antialias',
      mean: [...normalization.mean],
      deviation: [...normalization.deviation],
      modalities: [...data.modalities],
      ...scopeOf(data.id),
    },
    classes: classesOf(data.id, data.classes),
    temperature: evaluation?.temperature ?? null,
    training: { ...record, network: config, checkpointSha256, evaluation },
    metrics: evaluation === null ? [] : [evaluation.test, evaluation.validation],
    intendedUse: INTENDED_USE,
    limits: [
      ...generalLimits(record),
      ...startLimits(record),
      ...adjustmentLimits(record),
      ...structureLimits(config),
      ...deadLimits(record),
      ...supervisionLimits(record),
      ...blankLimits(explanations),
      ...data.caveats,
    ],
    ...rightsOf(record),
    ...supervisedOf(record),
  }
}

/** The licences and the lines that each of them asks for: of the data, and of what the starting weights were made from. */
function rightsOf({ data, start }: TrainingRecord): Pick<ModelFacts, 'licence' | 'attributions'> {
  const sources = [data, ...(start?.sources ?? [])]
  return {
    licence: [...new Set(sources.map(({ licence }) => licence))].join('; '),
    attributions: [...new Set(sources.flatMap(({ attributions }) => attributions))],
  }
}

function startLimits({ start }: TrainingRecord): readonly string[] {
  if (start === undefined || start.sources) return []
  return [`It went on from weights (SHA-256 ${start.sha256}) that do not tell their data: their licence is to be looked up.`]
}

/** A probability holds for some frequencies of the classes: for those of the training data unless the training made up for them. */
function adjustmentLimits({ settings: { logitAdjustment } }: TrainingRecord): readonly string[] {
  if (logitAdjustment === undefined || logitAdjustment === 0) return []
  const whose = logitAdjustment === 1 ? 'all classes are equally frequent' : 'the classes are more alike in frequency than in the training data'
  return [`The training made up for classes of other sizes (logit adjustment ${logitAdjustment}): probabilities are meant for where ${whose}.`]
}

/** The community that lesion masks pressed on; nothing where the training looked at none. */
function supervisedOf({ settings, masks }: TrainingRecord): Pick<ModelFacts, 'supervised'> {
  const { maskSupervision } = settings
  if (maskSupervision === undefined || masks === undefined) return {}
  const { community, name, layers } = maskSupervision
  return { supervised: { community, name, layers: [...layers], ...masks } }
}

/** What a reader of its maps must know beside: in words, since it changes what a map means. */
function supervisionLimits(record: TrainingRecord): readonly string[] {
  const { supervised } = supervisedOf(record)
  if (supervised === undefined) return []
  const { community, name, layers, images, marked } = supervised
  const where = `layer${layers.length === 1 ? '' : 's'} ${layers.join(', ')}`
  return [
    `Community ${community} (from 0) of ${where}, “${name}”, was supervised with ${name} masks of the training split (${marked} of ${images} images have one): its membership shows what readers marked in such images, and is no finding of the network’s own. That holds for no other community.`,
  ]
}

/** A structure that the network does not feel is drawn like any other: the reader of its maps has to be told. */
export function deadLimits({ curves, selectedEpoch }: Pick<TrainingRecord, 'curves' | 'selectedEpoch'>): readonly string[] {
  const layers = curves.find(({ epoch }) => epoch === selectedEpoch)?.structure ?? []
  const dead = layers.filter((layer) => deadReason(layer) !== null).map(({ layer }) => layer)
  if (dead.length === 0) return []
  const where = dead.length === layers.length ? 'The structure' : `The structure of layer${dead.length === 1 ? '' : 's'} ${dead.join(', ')} (from 0)`
  return [`${where} is dead: the network hardly feels it (the card says why), so communities and masks drawn from there are not what it used.`]
}

/** A network that reads from patches that show nothing draws maps that point at nothing. */
function blankLimits(explanations: ExplanationRecord | null): readonly string[] {
  const share = explanations === null ? null : attentionMostlyOnBlank(explanations)
  if (share === null) return []
  return [
    `On the test split ${Math.round(100 * share)} % of the class token’s attention lies on patches where the image shows nothing: attention and the maps made from it say where the network keeps what it has computed, not where a finding lies.`,
  ]
}

/** From where the structure reaches a prediction, and which counterfactual can tell. */
function reachText({ structuredLayers, depth }: NetworkConfig): string {
  const isInLast = structuredLayers.includes(depth - 1)
  if (isInLast && structuredLayers.length === 1) {
    return 'The structure is in the last layer alone: only the class token’s row of the bias can change a prediction; patch-to-patch views are descriptive.'
  }
  const where = `The structure is in layers ${structuredLayers.join(', ')} (from 0)`
  if (isInLast) return `${where}: tail counterfactuals are exact for the last of them only.`
  return `${where}, of ${depth}: it acts between patches and reaches a prediction through later layers, so that only a run without it tells how much.`
}

/** The class is read from the class token, whose row such a network never masks; no later layer carries on what the patches' rows became. */
const BLIND_LAST_LAYER =
  'In the last layer the class token’s row is never masked, so that no mask of that layer changes a prediction: communities, edges and masks drawn from it describe patches, and explain no answer.'

export function structureLimits(config: NetworkConfig): readonly string[] {
  const { structuredLayers, depth } = config
  if (structuredLayers.length === 0) return []
  const isBlind = config.sbm?.classTokenAlwaysOn === true && structuredLayers.includes(depth - 1)
  return [
    reachText(config),
    ...(isBlind ? [BLIND_LAST_LAYER] : []),
    'Community numbers are arbitrary in each head, and another training groups the patches otherwise (docs/explanations.md): a community belongs to this model, not to the anatomy.',
  ]
}
