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
  const tasks = [false, true].flatMap((decodes) => SETS.map(([, maps]): AnswerTask => ({ network: of, decodes, maps })))
  const { times, said } = await race(tasks, rounds)
  const given = times.slice(0, SETS.length)
  const decoded = times.slice(SETS.length)
  const rows = SETS.map(([set], i) => [set, ...figures(given[i], given[0]), ...figures(decoded[i], decoded[0])])
  return aligned([[`${name}; ${said} communities`, 'over logits', 'here', 'with the picture decoded and preprocessed', 'here'], ...rows])
}

async function benchPictures(rounds: number): Promise<string> {
  const { times } = await race(
    PICTURES.map(([, picture]): PictureTask => ({ picture })),
    rounds,
  )
  return aligned([['picture of 1024 x 1024', 'ratio', 'here'], ...PICTURES.map(([name], i) => [name, ...figures(times[i], times[0])])])
}

/** CPU milliseconds, a list a task, and what the first one said. */
async function race(tasks: readonly (AnswerTask | PictureTask)[], rounds: number): Promise<{ readonly times: readonly number[][]; readonly said: string }> {
  const contenders: Contender[] = []
  const times: number[][] = tasks.map(() => [])
  try {
    for (const task of tasks)
      contenders.push(await startContender(process.execPath, [...process.execArgv, join(import.meta.dirname, 'support/explain-turns.ts'), JSON.stringify(task)]))
    for (let round = 0; round < rounds; round++) {
      for (const [i, { absent, turn }] of contenders.entries()) {
        if (absent !== null) throw new Error(absent)
        times[i]?.push(await turn())
      }
    }
  } finally {
    for (const { stop } of contenders) stop()
  }
  return { times, said: contenders[0]?.said ?? '' }
}

/** The ratio and the milliseconds. */
function figures(times: readonly number[] = [], base: readonly number[] = []): string[] {
  return [medianRatio(times, base).toFixed(3), `${median(times).toFixed(1)} ms`]
}
