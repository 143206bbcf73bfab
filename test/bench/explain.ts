/**
 * What explanations cost: CPU time of a run with maps over that of the same run with logits alone, and of both with the picture decoded and
 * preprocessed before; of a drawn overlay over one that libvips writes.
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { aligned } from '../../export/parity-table.ts'
import { DCMM_RELEASED, type NetworkConfig } from '../../models/network-config.ts'
import type { AnswerTask, PictureTask } from './support/explain-turns.ts'
import { median, medianRatio } from './support/median.ts'
import { type Contender, startContender } from './support/turns.ts'

const HELP = 'npm run bench -- explain [--rounds 12] [--only network|small|pictures]\n'

const network: NetworkConfig = {
  network: 'dcmm-vit',
  imageSize: 128,
  channels: 1,
  patchSize: 8,
  patchOverlap: 0,
  width: 192,
  depth: 6,
  heads: 6,
  mlpRatio: 4,
  classes: 2,
  layerNormEps: 1e-6,
  structuredLayers: [5],
  dcmm: { ...DCMM_RELEASED, communities: 16, thetaActivation: 'softplus' },
  sbm: null,
}
const small: NetworkConfig = { ...network, imageSize: 224, channels: 3, patchSize: 16, width: 384, depth: 12, heads: 12, structuredLayers: [11] }

const DEFAULTS = ['communities', 'attention', 'degree', 'delta', 'evidence', 'structure-attribution']
const SETS: readonly [string, AnswerTask['maps']][] = [
  ['logits alone', 'none'],
  ['counterfactual and attention', ['attention']],
  ['the default maps', 'default'],
  ['default and knock-out', [...DEFAULTS, 'knockout']],
  ['default and Shapley values', [...DEFAULTS, 'shapley']],
]
const PICTURES: readonly [string, PictureTask['picture']][] = [
  ['libvips writes a ready overlay, level 6', 'libvips level 6'],
  ['libvips writes a ready overlay, level 1', 'libvips level 1'],
  ['overlay drawn and written', 'overlay'],
  ['overlay of communities', 'communities'],
  ['heat map, indexed', 'heat map'],
]

export async function bench(args: readonly string[]): Promise<string> {
  const { values } = parseArgs({ args: [...args], options: { rounds: { type: 'string', default: '12' }, only: { type: 'string' }, help: { type: 'boolean' } } })
  if (values.help) return HELP
  const rounds = Number(values.rounds)
  const blocks: readonly [string, () => Promise<string>][] = [
    ['network', () => benchNetwork('DCMM-ViT 128 px, patch 8, width 192, 6 layers', network, rounds)],
    ['small', () => benchNetwork('DCMM-ViT small, 224 px, patch 16', small, rounds)],
    ['pictures', () => benchPictures(rounds)],
  ]
  const texts: string[] = []
  for (const [name, block] of blocks) if (values.only === undefined || values.only === name) texts.push(await block())
  return `CPU time of one image with the garbage that it makes, each row in a process of its own, medians of ${rounds} rounds; 'here' is what this machine took.\n\n${texts.join('\n')}`
}

async function benchNetwork(name: string, of: NetworkConfig, rounds: number): Promise<string> {
  const tasksThat = (decodes: boolean): readonly AnswerTask[] => SETS.map(([, maps]) => ({ network: of, decodes, maps }))
  const given = await race(tasksThat(false), rounds)
  const decoded = await race(tasksThat(true), rounds)
  const rows = SETS.map(([set], i) => [set, ...(given.figures[i] ?? []), ...(decoded.figures[i] ?? [])])
  return aligned([[`${name}; ${given.said} communities`, 'over logits', 'here', 'with the picture decoded and preprocessed', 'here'], ...rows])
}

async function benchPictures(rounds: number): Promise<string> {
  const { figures } = await race(
    PICTURES.map(([, picture]): PictureTask => ({ picture })),
    rounds,
  )
  return aligned([['picture of 1024 x 1024', 'ratio', 'here'], ...PICTURES.map(([name], i) => [name, ...(figures[i] ?? [])])])
}

/** What the first contender said, and of each task its ratio to the first and its CPU milliseconds. */
interface Race {
  readonly said: string
  readonly figures: readonly (readonly string[])[]
}

/** The first task has a turn before every other's, so that a ratio is of two turns that met the same machine. */
async function race(tasks: readonly (AnswerTask | PictureTask)[], rounds: number): Promise<Race> {
  const contenders: Contender[] = []
  try {
    for (const task of tasks) contenders.push(await startTask(task))
    const [first, ...others] = contenders
    if (first === undefined) return { said: '', figures: [] }
    const met = others.map(() => ({ times: [] as number[], base: [] as number[] }))
    for (let round = 0; round < rounds; round++) {
      for (const [i, other] of others.entries()) {
        met[i]?.base.push(await first.turn())
        met[i]?.times.push(await other.turn())
      }
    }
    const all = met.flatMap(({ base }) => base)
    return { said: first.said, figures: [toFigures(all, all), ...met.map(({ times, base }) => toFigures(times, base))] }
  } finally {
    for (const { stop } of contenders) stop()
  }
}

async function startTask(task: AnswerTask | PictureTask): Promise<Contender> {
  const contender = await startContender(process.execPath, [...process.execArgv, join(import.meta.dirname, 'support/explain-turns.ts'), JSON.stringify(task)])
  if (contender.absent !== null) throw new Error(contender.absent)
  return contender
}

/** The ratio and the milliseconds. */
function toFigures(times: readonly number[], base: readonly number[]): readonly string[] {
  return [medianRatio(times, base).toFixed(3), `${median(times).toFixed(1)} ms`]
}
