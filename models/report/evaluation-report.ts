/** An evaluation with its test logits in, one HTML page out that needs nothing beside it. */
import { NOTICE } from '../../src/domain/prediction.ts'
import type { Tensor } from '../../src/tensor/tensor.ts'
import type { DataSet } from '../data/data-set.ts'
import type { Evaluation, SplitMetrics } from '../evaluate-checkpoint.ts'
import { type Interval, probabilitiesOf } from '../metrics.ts'
import type { EpochRecord, TrainingRecord } from '../training/training-record.ts'
import { type Point, reliabilityPoints, rocPoints } from './curves.ts'
import { drawChart, escapeText } from './draw-chart.ts'

export interface ReportSubject {
  /** What was evaluated: an id, or recipe and seed. */
  readonly title: string
  readonly facts: Readonly<Record<string, string>>
  readonly data: DataSet
  readonly evaluation: Omit<Evaluation, 'structure' | 'sampling'>
  /** [image, class] of the test split. */
  readonly testLogits: Tensor
  /** null where the model carries none. */
  readonly curves: TrainingRecord['curves'] | null
}

const STYLE =
  'body{font:15px/1.5 sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ccc;padding:.3em .7em;text-align:right}th:first-child,td:first-child{text-align:left}figure{display:inline-block;margin:0 1em 1em 0}figcaption{font-size:12px}.notice{background:#fff3cd;border:1px solid #e0c36a;padding:.6em 1em}'

/** Equal arguments give equal bytes: it holds no date. */
export function evaluationReport(subject: ReportSubject): string {
  const { title, facts, data, evaluation, curves } = subject
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>Evaluation of ${escapeText(title)}</title><style>${STYLE}</style></head><body>`,
    `<h1>Evaluation of ${escapeText(title)}</h1>`,
    `<p class="notice">${escapeText(NOTICE)}</p>`,
    table(['', ''], Object.entries({ ...facts, 'test set': `${data.facts.title}, ${evaluation.test.images} images`, 'SHA-256 of the data': data.sha256 })),
    ...data.facts.caveats.map((caveat) => `<p>${escapeText(caveat)}</p>`),
    '<h2>Figures on the test split</h2>',
    `<p>AUC ${evaluation.test.auc.toFixed(3)}${intervalText(evaluation.aucInterval)}, accuracy ${evaluation.test.accuracy.toFixed(3)}${intervalText(evaluation.accuracyInterval)}. Intervals are of 95 %: percentiles of 1,000 resamples of the images within each class for the AUC, Wilson's score interval for shares. The temperature, ${evaluation.temperature.toFixed(3)}, was fitted on the validation split.</p>`,
    figuresTable(evaluation),
    '<h2>Classes</h2>',
    classTable(evaluation, data.facts.classes),
    confusionTable(evaluation.confusion, data.facts.classes),
    '<h2>Curves</h2>',
    ...charts(subject),
    ...(curves === null ? ['<p>The model carries no learning curves.</p>'] : learningCharts(curves)),
    '</body></html>',
    '',
  ].join('\n')
}

function figuresTable({ test, calibrated, validation, withoutStructure }: ReportSubject['evaluation']): string {
  const row = (name: string, { auc, accuracy, balancedAccuracy, ece, brier, nll }: SplitMetrics): string[] => [
    name,
    ...[auc, accuracy, balancedAccuracy, ece, brier, nll].map((value) => value.toFixed(3)),
  ]
  const rows = [
    row('test', test),
    row('test, after temperature scaling', calibrated),
    row('validation', validation),
    ...(withoutStructure === null ? [] : [row('test, without the structure', withoutStructure)]),
  ]
  return table(['', 'AUC', 'accuracy', 'balanced accuracy', 'ECE', 'Brier', 'NLL'], rows)
}

/** Of one class: how many of its images were found, and how many of the others were left alone. */
function classTable({ classes, confusion }: ReportSubject['evaluation'], names: readonly string[]): string {
  const total = confusion.flat().reduce((sum, count) => sum + count, 0)
  const rows = classes.map(({ name, images, recall, interval }, index) => {
    const alarms = confusion.reduce((sum, row, actual) => sum + (actual === index ? 0 : (row[index] ?? 0)), 0)
    return [name, String(images), `${recall.toFixed(3)}${intervalText(interval)}`, (1 - alarms / Math.max(1, total - images)).toFixed(3)]
  })
  return table(['class', 'images', 'sensitivity', 'specificity'], rows.length === names.length ? rows : [])
}

function confusionTable(confusion: Evaluation['confusion'], names: readonly string[]): string {
  return table(
    ['true class, and predicted as', ...names],
    confusion.map((row, i) => [names[i] ?? '', ...row.map(String)]),
  )
}

function charts({ data, evaluation, testLogits }: ReportSubject): string[] {
  const { labels } = data.splits.test
  const probabilities = probabilitiesOf(testLogits)
  const names = data.facts.classes
  // Of two classes one curve says all: the other one is its mirror image.
  const shown = names.length === 2 ? [1] : names.map((_, index) => index)
  const diagonal: { label: string; points: Point[]; dashed: true } = {
    label: 'chance',
    points: [
      [0, 0],
      [1, 1],
    ],
    dashed: true,
  }
  const roc = shown.map((index) => ({ label: names[index] ?? '', points: rocPoints(probabilities, labels, index) }))
  const share = { min: 0, max: 1 }
  return [
    drawChart({ title: 'ROC', x: { label: '1 - specificity', ...share }, y: { label: 'sensitivity', ...share }, lines: [...roc, diagonal] }),
    drawChart({
      title: 'Reliability',
      x: { label: 'confidence', ...share },
      y: { label: 'share that is right', ...share },
      lines: [
        { label: 'as it answers', points: reliabilityPoints(probabilities, labels), dots: true },
        { label: 'after temperature scaling', points: reliabilityPoints(probabilitiesOf(testLogits, evaluation.temperature), labels), dots: true },
        { ...diagonal, label: 'well calibrated' },
      ],
    }),
  ]
}

function learningCharts(curves: readonly EpochRecord[]): string[] {
  const of = (value: (record: EpochRecord) => number): Point[] => curves.map((record) => [record.epoch, value(record)])
  const losses = curves.flatMap(({ trainingLoss, validationLoss }) => [trainingLoss, validationLoss])
  const epochs = { label: 'epoch', min: 1, max: Math.max(2, curves.length) }
  const lowestAuc = Math.min(...curves.map(({ validationAuc }) => validationAuc))
  return [
    drawChart({
      title: 'Loss',
      x: epochs,
      y: { label: 'loss', min: Math.min(...losses), max: Math.max(...losses) },
      lines: [
        { label: 'training', points: of(({ trainingLoss }) => trainingLoss) },
        { label: 'validation', points: of(({ validationLoss }) => validationLoss) },
      ],
    }),
    drawChart({
      title: 'Validation AUC',
      x: epochs,
      y: { label: 'AUC', min: Math.min(lowestAuc, 0.95), max: 1 },
      lines: [{ label: 'validation', points: of(({ validationAuc }) => validationAuc) }],
    }),
  ]
}

const intervalText = ({ low, high }: Interval): string => ` (${low.toFixed(3)} to ${high.toFixed(3)})`

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: 'td' | 'th'): string => `<tr>${cells.map((cell) => `<${tag}>${escapeText(cell)}</${tag}>`).join('')}</tr>`
  return `<table>${head.every((cell) => cell === '') ? '' : line(head, 'th')}${rows.map((row) => line(row, 'td')).join('')}</table>`
}
