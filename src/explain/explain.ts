/** A model's outputs in, the whole explanation out: classes, the counterfactual, what the structure does, and the maps asked for. */
import type { ClassOutput, Counterfactual, Explanation } from '../domain/explanation.ts'
import type { Manifest } from '../domain/manifest.ts'
import type { ModelOutputs, OutputName, RunTail } from '../domain/outputs.ts'
import type { PredictionOptions } from '../domain/prediction.ts'
import { Problem } from '../domain/problem.ts'
import { softmax } from '../tensor/softmax.ts'
import { agreementOf } from './agreement.ts'
import { extremesOf } from './build-map.ts'
import { communitiesIn } from './communities.ts'
import type { ImageCommunities } from './image-communities.ts'
import { logitDrops, tokensOfCommunities } from './knock-out.ts'
import { methodsFor } from './map-catalog.ts'
import type { MapContext } from './map-method.ts'
import { hasRows, outputOf } from './read-outputs.ts'
import { shapleyValues } from './shapley.ts'
import { structureFacts, structureNeeds } from './structure-facts.ts'
import { isOnlyInLastLayer, needsRunWithoutStructure } from './structure-layers.ts'
import { createTailStudy, logitsOf, type TailStudy, tailNeeds } from './tail-study.ts'
import { uncertaintyOf } from './uncertainty.ts'

/**
 * The outputs that the asked maps need, in the manifest's order of names.
 *
 * Throws: "map-unknown".
 */
export function outputsNeeded(manifest: Manifest, maps: readonly string[] | null): readonly OutputName[] {
  const methods = methodsFor(manifest, maps)
  const needed = new Set<OutputName>(['logits', ...structureNeeds(manifest)])
  if (manifest.inputCheck?.embedding) needed.add('embedding')
  if (manifest.structure !== null && !needsRunWithoutStructure(manifest)) for (const name of tailNeeds(manifest)) needed.add(name)
  for (const method of methods) {
    for (const name of method.needs(manifest) ?? []) needed.add(name)
    if (method.readsTail) for (const name of tailNeeds(manifest)) needed.add(name)
  }
  return [...needed]
}

/**
 * The explanation of one image's outputs. The same outputs and options give the same bits.
 *
 * Throws: "map-unknown", "parameter-invalid" for a class that the model does not have, "output-missing", "shape-mismatch".
 */
export async function explain(manifest: Manifest, outputs: ModelOutputs, tail: RunTail | null, options: PredictionOptions): Promise<Explanation> {
  const methods = methodsFor(manifest, options.maps)
  const classes = classOutputs(manifest, outputOf(outputs.asTrained, 'logits').data)
  const predicted = predictedOf(classes)
  const study = tail === null || !hasRows(outputs.asTrained, 'scores') ? null : createTailStudy(manifest, outputs, tail)
  const explainedClass = classNamed(classes, options.explainedClass ?? predicted.name)
  const found = communitiesIn(outputs.asTrained, manifest)
  const wantsShapley = methods.some(({ name }) => name === 'shapley')
  const withAll = found === null || study === null ? Promise.resolve(found) : withEffects(found, study, manifest, explainedClass.index, wantsShapley)
  const context: MapContext = { manifest, outputs, explainedClass, communities: withAll, tail: study }
  // Asked in one turn, answered by one run of the tail.
  const [communities, counterfactual, maps] = await Promise.all([
    withAll,
    counterfactualOf(manifest, classes, outputs, study),
    Promise.all(methods.map(async (method) => method.build(context))),
  ])
  return {
    classes,
    predictedClass: predicted.name,
    explainedClass: explainedClass.name,
    counterfactual,
    maps,
    structure: structureFacts(manifest, outputs.asTrained),
    communities: communities?.facts ?? [],
    agreement: agreementOf(maps),
    uncertainty: uncertaintyOf(manifest, outputs.samples ?? [], options.seed),
  }
}

/** Every class with its logit and probability, and the calibrated one where the bundle has a temperature. */
export function classOutputs(manifest: Pick<Manifest, 'classes' | 'temperature'>, logits: Float32Array): readonly ClassOutput[] {
  if (logits.length !== manifest.classes.length) throw new Problem('shape-mismatch', 'logits are not one a class', { expected: [manifest.classes.length], actual: [logits.length] })
  const { temperature } = manifest
  const raw = softmax(logits)
  const calibrated = temperature === null ? null : softmax(Float64Array.from(logits, (logit) => logit / temperature))
  return manifest.classes.map(({ name, code }, index) => ({
    name,
    code,
    logit: logits[index] ?? 0,
    probability: raw[index] ?? 0,
    calibratedProbability: calibrated?.[index] ?? null,
  }))
}

/** The class of the largest logit; the first of equals. */
function predictedOf(classes: readonly ClassOutput[]): ClassOutput {
  const predicted = classes[extremesOf(classes.map(({ logit }) => logit)).argmax]
  if (predicted === undefined) throw new Problem('shape-mismatch', 'a model without classes', { expected: [2], actual: [0] })
  return predicted
}

function classNamed(classes: readonly ClassOutput[], name: string): { readonly index: number; readonly name: string } {
  const index = classes.findIndex((candidate) => candidate.name === name)
  if (index < 0) throw new Problem('parameter-invalid', 'the model has no class of this name', { parameter: 'class' })
  return { index, name }
}

/** The communities with what each does to the logit of the explained class. */
async function withEffects(found: ImageCommunities, study: TailStudy, manifest: Manifest, classIndex: number, wantsShapley: boolean): Promise<ImageCommunities> {
  const tokens = tokensOfCommunities(found, manifest)
  const [drops, values] = await Promise.all([logitDrops(study, tokens, classIndex), wantsShapley ? shapleyValues(study, tokens, classIndex) : null])
  return { ...found, facts: found.facts.map((fact, index) => ({ ...fact, deltaLogit: drops[index] ?? null, shapley: values?.[index] ?? null })) }
}

/** What the answer would be without the structure: from the second run, else from the tail. */
async function counterfactualOf(manifest: Manifest, classes: readonly ClassOutput[], outputs: ModelOutputs, tail: TailStudy | null): Promise<Counterfactual | null> {
  if (manifest.structure === null) return null
  if (outputs.withoutStructure !== null) return toCounterfactual(classes, outputOf(outputs.withoutStructure, 'logits').data, 'network')
  if (tail === null) return null
  return toCounterfactual(classes, logitsOf(await tail.ends(), 1), isOnlyInLastLayer(manifest) ? 'network' : 'last-block')
}

function toCounterfactual(classes: readonly ClassOutput[], logits: Float32Array, scope: Counterfactual['scope']): Counterfactual {
  const probabilities = softmax(logits)
  return {
    structure: 'removed',
    scope,
    classes: classes.map(({ name, logit }, index) => ({ name, logit: logits[index] ?? 0, probability: probabilities[index] ?? 0, deltaLogit: logit - (logits[index] ?? 0) })),
  }
}
