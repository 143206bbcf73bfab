/** A manifest, its evaluation and its parity in, the bundle's README.md out: the model card, generated and never edited. */

import { PUBLISHED } from '../models/comparison/published-results.ts'
import type { Interval } from '../models/metrics.ts'
import type { NetworkConfig } from '../models/network-config.ts'
import { type DcmmDiagnostics, deadReason, type SbmDiagnostics, type StructureDiagnostics } from '../models/training/structure-diagnostics.ts'
import type { TrainingRecord } from '../models/training/training-record.ts'
import type { Manifest } from '../src/domain/manifest.ts'
import type { GraphEvaluation } from './evaluate-graph.ts'
import type { ParityReport } from './parity.ts'
import { worstByStage } from './parity-table.ts'

export interface CardSource {
  readonly manifest: Manifest
  readonly config: NetworkConfig
  readonly record: TrainingRecord
  readonly evaluation: GraphEvaluation | null
  readonly parity: readonly ParityReport[]
  /** Name and version of the runtime that the figures come from. */
  readonly runtime: string
}

/** Sections in the order that CLAIM (2020) and Mitchell et al., arXiv:1810.03993, ask for. */
export function modelCard(source: CardSource): string {
  const { manifest } = source
  const sections = [
    `# ${manifest.title}\n\n\`${manifest.id}\`, version ${manifest.version}, ${manifest.createdAt}. **Research use only. Not for diagnosis.**`,
    `## Intended use\n\n${manifest.intendedUse}`,
    networkSection(source),
    dataSection(source),
    trainingSection(source),
    performanceSection(source),
    structureSection(source),
    explanationSection(source),
    inputCheckSection(source),
    paritySection(source),
    `## Limits\n\n${list(manifest.limits)}`,
    `## Licence and attribution\n\nWeights: ${manifest.licence}, as the data they were made from.\n\n${list(manifest.attributions)}`,
    filesSection(manifest),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

function networkSection({ manifest, config }: CardSource): string {
  const options = Object.entries(manifest.structure?.options ?? {}).map(([name, value]) => `${name} ${value}`)
  const rows = [
    ['network', manifest.network],
    ['input', `${config.channels} x ${config.imageSize} x ${config.imageSize}, ${manifest.input.fit}, ${manifest.input.resize}`],
    ['patches', `${config.patchSize} pixels, windows reach ${config.patchOverlap} further; ${manifest.patchGrid.height} x ${manifest.patchGrid.width} and a class token`],
    ['size', `width ${config.width}, ${config.depth} layers, ${config.heads} heads`],
    ['structure', manifest.structure === null ? 'none' : `layers ${manifest.structure.layers.join(', ')} (from 0), ${manifest.structure.communities} communities`],
    ...(options.length === 0 ? [] : [['options', options.join(', ')]]),
    ['classes', manifest.classes.map(({ name, code }) => (code === null ? name : `${name} (${code.value}, ${code.scheme}, "${code.meaning}")`)).join('; ')],
  ]
  return `## Network\n\n${table(['', ''], rows)}`
}

function dataSection({ record: { data, normalization } }: CardSource): string {
  const { train, validation, test } = data.images
  const numbers = (values: readonly number[]): string => values.map((value) => value.toFixed(4)).join(', ')
  return `## Data\n\n${data.title} (\`${data.id}\`, SHA-256 \`${data.sha256}\`), its own split: ${train} training, ${validation} validation, ${test} test images. Pixels are normalized by mean ${numbers(normalization.mean)} and deviation ${numbers(normalization.deviation)} of the training split.`
}

function trainingSection({ record }: CardSource): string {
  const { settings, selectedEpoch, seed } = record
  const rows = Object.entries(settings).map(([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : String(value)])
  const chosen = `The weights of epoch ${selectedEpoch} (averaged) were selected on the validation split; the test split was looked at once, afterwards.`
  return `## Training\n\nRecipe \`${record.recipe}\`, seed ${seed}, on ${record.backend}. ${chosen}${startText(record)}\n\n${table(['setting', 'value'], rows)}`
}

function startText({ start }: TrainingRecord): string {
  if (start === undefined) return ''
  const { model } = start
  const made = start.sources
    ? ` ${model === undefined ? 'It was' : 'They were'} made from the training splits of ${start.sources.map(({ title, images }) => `${title} (${images})`).join(', ')}.`
    : ' It does not tell its data.'
  const fresh = start.fresh.length === 0 ? '' : ` Drawn fresh: ${start.fresh.map((name) => `\`${name}\``).join(', ')}.`
  const which =
    model === undefined ? `the file with SHA-256 \`${start.sha256}\`` : `the model \`${model.id}\`, version ${model.version}, whose graph has the SHA-256 \`${start.sha256}\``
  return `\n\nIt went on from the weights of ${which}.${made}${fresh}`
}

function performanceSection({ record, evaluation, runtime }: CardSource): string {
  if (evaluation === null) return '## Performance\n\nNot evaluated at export: the data set was not at hand.'
  const { test, validation, calibrated, temperature } = evaluation
  const row = (name: string, m: GraphEvaluation['test']): string[] => [name, ...[m.auc, m.accuracy, m.balancedAccuracy, m.ece, m.brier, m.nll].map(fixed), String(m.images)]
  const rows = [row('test', test), row(`test, calibrated (temperature ${temperature.toFixed(3)})`, calibrated), row('validation', validation)]
  const recalls = evaluation.classes.map(({ name, images, recall, interval }) => [name, String(images), `${fixed(recall)} ${between(interval)}`])
  return [
    `## Performance\n\nComputed by ${runtime} from the graph of this bundle. Accuracy at the most probable class.`,
    table(['split', 'AUC', 'accuracy', 'balanced accuracy', 'ECE', 'Brier', 'NLL', 'images'], rows),
    `Test AUC ${fixed(test.auc)}, 95 % ${between(evaluation.aucInterval)} (bootstrap); test accuracy ${fixed(test.accuracy)}, 95 % ${between(evaluation.accuracyInterval)} (Wilson). The temperature was fitted on the validation split.${calibrated.ece > test.ece ? ' On the test split it does not calibrate: the error rises, since validation is not distributed as test is.' : ''}`,
    table(['class', 'test images', 'recall, 95 % interval'], recalls),
    publishedSection(record.data.id, test),
  ].join('\n\n')
}

function publishedSection(dataSet: string, test: GraphEvaluation['test']): string {
  const published = PUBLISHED[dataSet]
  if (published === undefined) return 'No published figures on this data set and size are known.'
  const rows = published.results.map(({ method, auc, accuracy }) => [method, fixed(auc), fixed(accuracy)])
  return `Beside published figures (${published.source}):\n\n${table(['method', 'AUC', 'accuracy'], [...rows, ['**this model, one training**', `**${fixed(test.auc)}**`, `**${fixed(test.accuracy)}**`]])}`
}

function structureSection({ manifest, record, evaluation }: CardSource): string {
  if (manifest.structure === null) return ''
  const parts = ['## What the structure does', ...supervisionText(manifest.structure)]
  const removed = evaluation?.withoutStructure ?? null
  if (removed !== null && evaluation !== null) {
    const rows = [
      ['as trained', fixed(evaluation.test.auc), fixed(evaluation.test.accuracy), fixed(evaluation.test.nll)],
      ['same weights, structure removed', fixed(removed.auc), fixed(removed.accuracy), fixed(removed.nll)],
    ]
    parts.push(table(['test split', 'AUC', 'accuracy', 'NLL'], rows))
  }
  const last = record.curves.find(({ epoch }) => epoch === record.selectedEpoch)
  if (last?.structure.length) parts.push(structureFigures(last.structure))
  return parts.length === 1 ? '' : parts.join('\n\n')
}

/** How alive each layer's structure is, behind a warning where one is dead. */
export function structureFigures(layers: StructureDiagnostics): string {
  const dead = layers.flatMap((layer) => {
    const reason = deadReason(layer)
    return reason === null ? [] : [`layer ${layer.layer}: ${reason}`]
  })
  const figures = `Measured on validation images in the selected epoch:\n\n${diagnosticsTable(layers)}`
  return dead.length === 0 ? figures : `${deadText(dead, layers.length)}\n\n${figures}`
}

function deadText(dead: readonly string[], layers: number): string {
  if (dead.length === layers) return `**The structure is dead: ${dead.join('; ')}.** Such a model is a plain ViT that draws maps; do not read them as communities that it uses.`
  return `**The structure is dead in ${dead.length} of ${layers} layers: ${dead.join('; ')}.** Do not read their maps as communities that the network uses.`
}

/** How the figures of a layer are called; models/training/structure-diagnostics.ts says what each is. */
const DIAGNOSTICS: Readonly<Record<keyof DcmmDiagnostics | keyof SbmDiagnostics, string>> = {
  layer: 'layer',
  zeroDegreeShare: 'zero degrees',
  meanDegree: 'mean degree',
  largestClassTokenBias: 'largest bias of the class token',
  classTokenBiasSpread: 'its spread',
  effectiveCommunities: 'communities',
  distinctCommunities: 'of which in one image',
  membershipConfidence: 'largest membership',
  density: 'density',
  headDensities: 'of each head, forced edges left out',
  maskDeviation: 'mask SD',
}

function rounded(figure: number): string {
  return String(Number(figure.toPrecision(4)))
}

/** A row a layer. */
function diagnosticsTable(layers: StructureDiagnostics): string {
  const figures = Object.entries(DIAGNOSTICS).filter(([name]) => layers.some((layer) => name in layer))
  const rows = layers.map((layer) => {
    const facts = new Map<string, number | readonly number[]>(Object.entries(layer))
    return figures.map(([name]) => [facts.get(name) ?? []].flat().map(rounded).join(' '))
  })
  return table(
    figures.map(([, title]) => title),
    rows,
  )
}

function supervisionText({ supervised }: NonNullable<Manifest['structure']>): readonly string[] {
  if (supervised === undefined) return []
  const { community, name, layers, images, marked } = supervised
  return [
    `**Community ${community} (from 0) of layer ${layers.join(', ')} was supervised with ${name} masks of the training split** (${marked} of ${images} images have one). The map \`supervised-community\` shows its membership, the mean over heads: it was taught, not found. A model without masks is to be compared with others without.`,
  ]
}

function explanationSection({ manifest: { explanations } }: CardSource): string {
  if (!explanations) return '## Maps\n\nNot measured: no map is known to be better than another.'
  const { default: chosen, by, value, baseline, images, maps } = explanations
  const forgets = (has: boolean | null): string => (has === null ? 'not measured' : has ? 'yes' : '**no**')
  const number = (measure: number | null): string => (measure === null ? '' : fixed(measure))
  const isBlankMeasured = maps.some(({ blankShare }) => blankShare !== undefined)
  const rows = maps.map(({ name, classSpecific, validation, test, hasForgotten, blankShare }) => [
    name === chosen ? `**${name}**` : name,
    number(validation),
    number(test),
    classSpecific ? 'differs' : 'fails',
    forgets(hasForgotten),
    ...(isBlankMeasured ? [number(blankShare ?? null)] : []),
  ])
  return [
    `## Maps\n\nThe validation split prefers \`${chosen}\` by ${by}: ${fixed(value)}, ${baseline.name} ${fixed(baseline.value)}${value > baseline.value ? '' : ' (no better)'}. ${images.validation} validation and ${images.test} test images. "Classes": whether the map differs between classes. "Forgets": whether it is another map (rank correlation below 0.3) once the upper half of the weights is random.${isBlankMeasured ? ' "On blank": the part of the map that lies where the test image shows nothing.' : ''} Further numbers: docs/explanations.md.`,
    table(['map', `${by}, validation`, 'test', 'classes', 'forgets', ...(isBlankMeasured ? ['on blank'] : [])], rows),
  ].join('\n\n')
}

function inputCheckSection({ manifest: { inputCheck, input } }: CardSource): string {
  const parts = ['## Input check']
  const stated = [
    ['modality', input.modalities],
    ['body part', input.bodyParts ?? []],
    ['view', input.views ?? []],
  ] as const
  parts.push(
    table(
      ['stated by the file', 'made for'],
      stated.map(([name, terms]) => [name, terms.length === 0 ? 'not checked' : terms.join(', ')]),
    ),
  )
  if (!inputCheck) return [...parts, 'Not measured at export: images are not held against the training images.'].join('\n\n')
  const { histogram, embedding, images } = inputCheck
  const row = (name: string, limits: { unusualAbove: number; outOfScopeAbove: number }): string[] => [name, fixed(limits.unusualAbove), fixed(limits.outOfScopeAbove)]
  const rows = [
    row("earth mover's distance of the gray histogram", histogram),
    ...(embedding === null ? [] : [row(`Mahalanobis distance of the class token, shrinkage ${embedding.shrinkage.toFixed(4)}`, embedding)]),
  ]
  parts.push(table(['distance from the training split', 'unusual above', 'out of scope above'], rows))
  parts.push(
    `Limits: the distances that 99 % and 99.9 % of the ${images.validation} validation images keep. What the check finds and misses was measured: docs/explanations.md, "Input check". In scope does not mean that the answer is right.`,
  )
  return parts.join('\n\n')
}

function paritySection({ manifest, parity, runtime }: CardSource): string {
  const { absolute, relative } = manifest.parity
  const rows = worstByStage(parity).map(({ stage, values, largestDifference, worst }) => [stage, String(values), largestDifference.toExponential(1), worst.toFixed(3)])
  const runs = parity.map(({ run }) => run).join('; ')
  return `## Parity\n\n${runtime} against TF.js, bound ${absolute} + ${relative} of the value, over: ${runs}.\n\n${table(['stage', 'values', 'largest difference', 'share of the bound'], rows)}`
}

function filesSection(manifest: Manifest): string {
  const rows = [['model.onnx', `\`${manifest.graph.sha256}\``], ...(manifest.tail === null ? [] : [['tail.onnx', `\`${manifest.tail.sha256}\``]])]
  return `## Files\n\nOperator set ${manifest.graph.opset}, IR ${manifest.graph.ir}, ${manifest.graph.ops === 'function' ? 'with model-local functions' : 'standard operations only'}. \`golden.json\` holds inputs and outputs for whoever runs the graph elsewhere.\n\n${table(['file', 'SHA-256'], rows)}`
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n')
}

function fixed(value: number): string {
  return value.toFixed(3)
}

function between({ low, high }: Interval): string {
  return `${fixed(low)} to ${fixed(high)}`
}
