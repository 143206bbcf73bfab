/** The records of all runs in, the page of the table of the seeds out. */
import { COMPARED_SETS, COMPARED_STRUCTURES, type ComparedSet, type ComparedStructure, comparisonRecipe } from '../recipes/comparison.ts'
import { deadReason } from '../training/structure-diagnostics.ts'
import { type PairedDifference, pairedDifference, spreadOf } from './compare-runs.ts'
import { FLOORS, PUBLISHED, REMARKS } from './published-results.ts'
import type { RunRecord } from './run-record.ts'

/** How many seeds a set is to have: the larger images cost more. */
const WANTED = (set: ComparedSet): number => (set.backbone.imageSize > 64 ? 3 : 5)

interface Row {
  readonly structure: ComparedStructure
  readonly runs: readonly RunRecord[]
}

export function comparisonPage(records: readonly RunRecord[]): string {
  const lines = [
    '# The table of the seeds',
    '',
    'Which network wins where, by the same backbone, procedure and budget on each set: only the structure differs, and a seed gives all of them the same start, order and augmentation. Made by `npm run compare` from the records in',
    '`models/records`; the recipes are `*.compare-*` ([training.md](training.md)). Selected on the validation split; the test split was looked at once a run. AUC is one-vs-rest, the mean over the classes; ± is the standard deviation over seeds. A difference',
    "counts where its 95 % interval (Student's t of the paired differences by seed) does not hold 0; with so few seeds only large ones can. A bootstrap interval of one run's AUC, over the images, is far wider than the spread over seeds: it is in the records.",
    ...COMPARED_SETS.map((set) => section(set, records)),
  ]
  return `${lines.join('\n')}\n`
}

function section(set: ComparedSet, records: readonly RunRecord[]): string {
  const rows = COMPARED_STRUCTURES.map((structure): Row => {
    const { name } = comparisonRecipe(set, structure)
    return { structure, runs: records.filter(({ recipe }) => recipe === name).sort((a, b) => a.seed - b.seed) }
  })
  const { imageSize } = set.backbone
  const head = `\n## ${set.title} at ${imageSize} pixels\n`
  if (rows.every(({ runs }) => runs.length === 0)) return `${head}\nNo run yet: ${WANTED(set)} seeds are to come.`
  const missing = rows.filter(({ runs }) => runs.length < WANTED(set))
  return [
    head,
    `${set.training.epochs} epochs of batches of ${set.training.batchSize}, ${rows.flatMap(({ runs }) => runs)[0]?.test.images} test images.${missing.length === 0 ? '' : ` Unfinished: ${WANTED(set)} seeds are to come.`}`,
    '',
    mainTable(rows),
    '',
    verdict(rows),
    '',
    backendsText(rows),
    ...remark(set),
    ...structureTable(rows),
    ...samplingTable(rows),
    ...published(set),
  ].join('\n')
}

function mainTable(rows: readonly Row[]): string {
  const plain = rows[0]
  return table(
    ['network', 'seeds', 'test AUC', 'test accuracy', 'NLL', 'ECE', 'AUC against the ViT', 'accuracy against the ViT'],
    rows
      .filter(({ runs }) => runs.length > 0)
      .map((row) => [
        row.structure.title,
        String(row.runs.length),
        ...(['auc', 'accuracy', 'nll', 'ece'] as const).map((figure) => spreadText(row, figure)),
        ...(['auc', 'accuracy'] as const).map((figure) => (plain === undefined || row === plain ? '' : differenceText(difference(row, plain, figure)))),
      ]),
  )
}

type FigureName = 'auc' | 'accuracy' | 'nll' | 'ece'

function spreadText({ runs }: Row, figure: FigureName): string {
  const { mean, deviation, seeds } = spreadOf(runs.map(({ test }) => test[figure]))
  return seeds < 2 ? mean.toFixed(3) : `${mean.toFixed(3)} ± ${deviation.toFixed(3)}`
}

function difference(row: Row, plain: Row, figure: FigureName): PairedDifference {
  const bySeed = ({ runs }: Row): ReadonlyMap<number, number> => new Map(runs.map(({ seed, test }) => [seed, test[figure]]))
  return pairedDifference(bySeed(row), bySeed(plain))
}

function differenceText({ mean, interval, pairs }: PairedDifference): string {
  if (pairs === 0) return ''
  const sign = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`
  return interval === null ? sign(mean) : `${sign(mean)} (${sign(interval.low)} to ${sign(interval.high)})`
}

/** In plain words, and no more than the intervals carry. */
function verdict(rows: readonly Row[]): string {
  const [plain, ...others] = rows.filter(({ runs }) => runs.length > 0)
  if (plain === undefined || plain.structure.title !== 'ViT') return 'Nothing can be said without the plain ViT.'
  const told = others.map((row) => ({ title: row.structure.title, ...difference(row, plain, 'auc') })).filter(({ interval }) => interval !== null)
  if (told.length === 0) return 'One seed of each: nothing can be said of differences.'
  const better = told.filter(({ interval }) => interval !== null && interval.low > 0).map(({ title }) => title)
  const worse = told.filter(({ interval }) => interval !== null && interval.high < 0).map(({ title }) => title)
  const alike = told.filter(({ title }) => !better.includes(title) && !worse.includes(title)).map(({ title }) => title)
  return [
    better.length === 0 ? '**No structure wins over the plain ViT in AUC.**' : `**Better than the plain ViT in AUC: ${better.join('; ')}.**`,
    ...(worse.length === 0 ? [] : [`Worse: ${worse.join('; ')}.`]),
    ...(alike.length === 0 ? [] : [`Not to be told apart from it: ${alike.join('; ')}.`]),
  ].join(' ')
}

/** What the runs were trained on: their sums are rounded differently from backend to backend. */
function backendsText(rows: readonly Row[]): string {
  const counts = new Map<string, number>()
  for (const { backend } of rows.flatMap(({ runs }) => runs)) counts.set(backend, (counts.get(backend) ?? 0) + 1)
  const parts = [...counts].sort(([, a], [, b]) => b - a).map(([backend, runs]) => `${backend}${counts.size === 1 ? '' : ` (${runs} ${runs === 1 ? 'run' : 'runs'})`}`)
  return `Trained on ${parts.join(' and ')}.${counts.size === 1 ? '' : ' The backends round their sums differently; nothing else differs.'}`
}

function remark({ dataSet }: ComparedSet): string[] {
  const text = REMARKS[dataSet]
  return text === undefined ? [] : ['', text]
}

/** How alive and used the structure of the DCMM networks is. */
function structureTable(rows: readonly Row[]): string[] {
  const dcmm = rows.filter(({ runs }) => runs.some(({ structure }) => structure.some((layer) => 'zeroDegreeShare' in layer)))
  if (dcmm.length === 0) return []
  const cells = dcmm.map(({ structure: { title }, runs }) => {
    const layers = runs.flatMap(({ structure }) => structure.flatMap((layer) => ('zeroDegreeShare' in layer ? [layer] : [])))
    const mean = (value: (layer: (typeof layers)[number]) => number): number => spreadOf(layers.map(value)).mean
    const dead = layers.filter((layer) => deadReason(layer) !== null).length
    const change = spreadOf(runs.flatMap(({ test, withoutStructure }) => (withoutStructure === null ? [] : [withoutStructure.auc - test.auc]))).mean
    return [
      title,
      mean(({ zeroDegreeShare }) => zeroDegreeShare).toFixed(2),
      `${dead} of ${layers.length}`,
      mean(({ largestClassTokenBias }) => largestClassTokenBias).toFixed(2),
      mean(({ effectiveCommunities }) => effectiveCommunities).toFixed(1),
      differenceText({ mean: change, interval: null, pairs: 1 }),
    ]
  })
  return [
    '',
    'The structure, the mean over seeds and layers, on validation images; a layer is dead where every degree is zero or its largest class-token bias is one that no softmax feels (below 0.05); the last column is the test AUC of the same weights without it, less that with it:',
    '',
    table(['network', 'zero degrees', 'dead layers', 'largest class-token bias', 'effective communities (of 12)', 'AUC without it'], cells),
  ]
}

/** The SBM's three ways of answering. */
function samplingTable(rows: readonly Row[]): string[] {
  const runs = rows.flatMap((row) => row.runs).flatMap((run) => (run.sampling === null ? [] : [{ ...run, sampling: run.sampling }]))
  if (runs.length === 0) return []
  const of = (value: (run: (typeof runs)[number]) => number, digits = 3): string => spreadOf(runs.map(value)).mean.toFixed(digits)
  return [
    '',
    'SBM-ViT, trained by sampling, answers three ways (the mean over seeds):',
    '',
    table(
      ['masks', 'test AUC', 'test accuracy', 'density'],
      [
        ['mean field, as served', of(({ test }) => test.auc), of(({ test }) => test.accuracy), of(({ sampling }) => sampling.density.meanField, 2)],
        [
          `the mean of ${runs[0]?.sampling.samples} drawn masks`,
          of(({ sampling }) => sampling.sampled.auc),
          of(({ sampling }) => sampling.sampled.accuracy),
          of(({ sampling }) => sampling.density.meanField, 2),
        ],
        [
          'edges with P >= 0.5',
          of(({ sampling }) => sampling.thresholded.auc),
          of(({ sampling }) => sampling.thresholded.accuracy),
          of(({ sampling }) => sampling.density.thresholded, 2),
        ],
      ],
    ),
    '',
    `Between the mean field and the mean of the draws: ${of(({ sampling }) => sampling.meanGap)} of the served class's probability, another class for ${of(({ sampling }) => 100 * sampling.flips, 1)} % of the images; one draw scatters by ${of(({ sampling }) => sampling.meanDeviation)}.`,
  ]
}

function published({ dataSet }: ComparedSet): string[] {
  const others = PUBLISHED[dataSet]
  const floors = FLOORS[dataSet]
  const rows = [
    ...(others?.results ?? []).map(({ method, auc, accuracy }) => [method, auc.toFixed(3), accuracy.toFixed(3)]),
    ...(floors?.results ?? []).map(({ method, auc, accuracy }) => [method, auc.toFixed(3), accuracy.toFixed(3)]),
  ]
  if (rows.length === 0) return []
  const sources = [others?.source, floors?.source].filter((source) => source !== undefined)
  return ['', `Others on the same test split (${sources.join('; ')}):`, '', table(['method', 'AUC', 'accuracy'], rows)]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
