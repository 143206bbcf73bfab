/**
 * What a step of training costs on each backend, beside the same network and step in PyTorch on one thread where it is installed.
 * Only the ratio is to be read.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { NetworkConfig } from '../../models/network-config.ts'
import { DCMM_VIT_PNEUMONIA, SBM_VIT_PNEUMONIA, VIT_PNEUMONIA } from '../../models/recipes/pneumonia-28.ts'
import { median } from './support/median.ts'
import type { StepSetting } from './support/train-step.ts'
import { type Contender, startContender } from './support/turns.ts'

const HELP = `npm run bench -- train [--networks vit,dcmm-vit,sbm-vit] [--sizes 28,64] [--rounds 5] [--batch 32] [--only NAME,...]

  --only  wasm, wasm x2, wasm-blas, wasm-blas x2, wasm-shipped, cpu, webgpu, tfjs-node, tfjs-node-gpu, PyTorch (default: all but webgpu, which on a software adapter takes a minute a step)
`

interface Backend {
  readonly name: string
  readonly backend: StepSetting['backend']
  readonly workers: number
  /** Rounds beside the first, which warms up; null takes all. */
  readonly rounds: number | null
}

const BACKENDS: readonly Backend[] = [
  { name: 'PyTorch', backend: null, workers: 1, rounds: null },
  { name: 'wasm', backend: 'wasm', workers: 1, rounds: null },
  { name: 'wasm x2', backend: 'wasm', workers: 2, rounds: null },
  { name: 'wasm-blas', backend: 'wasm-blas', workers: 1, rounds: null },
  { name: 'wasm-blas x2', backend: 'wasm-blas', workers: 2, rounds: null },
  { name: 'tfjs-node-gpu', backend: 'tfjs-node-gpu', workers: 1, rounds: null },
  { name: 'tfjs-node', backend: 'tfjs-node', workers: 1, rounds: null },
  { name: 'webgpu', backend: 'webgpu', workers: 1, rounds: 2 },
  { name: 'wasm-shipped', backend: 'wasm-shipped', workers: 1, rounds: 2 },
  { name: 'cpu', backend: 'cpu', workers: 1, rounds: 1 },
]

/** What all ratios are of, in this order of preference. */
const REFERENCES = ['PyTorch', 'wasm']

const NETWORKS = { vit: VIT_PNEUMONIA, 'dcmm-vit': DCMM_VIT_PNEUMONIA, 'sbm-vit': SBM_VIT_PNEUMONIA } as const
type Network = keyof typeof NETWORKS

/** 28 pixels as the recipes without overlap, about 0.3 million weights; 64 pixels in patches of 8, about 2.7 million. */
const SIZES: Readonly<Record<string, Partial<NetworkConfig>>> = {
  28: { patchOverlap: 0 },
  64: { patchOverlap: 0, imageSize: 64, patchSize: 8, width: 192, heads: 6 },
}

export async function bench(args: readonly string[]): Promise<string> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      networks: { type: 'string', default: Object.keys(NETWORKS).join() },
      sizes: { type: 'string', default: '28,64' },
      rounds: { type: 'string', default: '5' },
      batch: { type: 'string', default: '32' },
      only: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return HELP
  const chosen = BACKENDS.filter(({ name }) => (values.only === undefined ? name !== 'webgpu' : values.only.split(',').includes(name)))
  const head = ['network', 'backend', 'steps', 'median ms', 'least ms', 'ratio']
  const rows: string[][] = []
  for (const size of values.sizes.split(',')) {
    for (const network of values.networks.split(',').filter((name): name is Network => name in NETWORKS)) {
      const config = { ...NETWORKS[network].network, ...SIZES[size] }
      rows.push(...(await race(`${network} ${size} px`, config, chosen, Number(values.batch), Number(values.rounds))))
    }
  }
  const table = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
  return `One step (forward, backward, clipping, AdamW) of ${values.batch} images, in rounds side by side; the ratio is of the medians, to PyTorch on one thread or, where that is absent, to wasm.\n\n${table}\n`
}

interface Runner extends Backend, Contender {
  readonly times: number[]
}

async function race(label: string, network: NetworkConfig, backends: readonly Backend[], batch: number, rounds: number): Promise<string[][]> {
  const runners: Runner[] = []
  try {
    for (const backend of backends) runners.push({ ...backend, ...(await start({ network, batch, backend: backend.backend, workers: backend.workers })), times: [] })
    const counts = new Set(runners.filter(({ absent }) => absent === null).map(({ said }) => said))
    if (counts.size > 1) throw new Error(`the contenders do not run one network: ${[...counts].join(' and ')} weights`)
    for (let round = 0; round <= rounds; round++) {
      for (const { turn, absent, times, rounds: most } of runners) {
        if (absent !== null || round > (most ?? rounds)) continue
        const ms = await turn()
        if (round > 0) times.push(ms)
      }
    }
  } finally {
    for (const { stop } of runners) stop()
  }
  const reference = REFERENCES.map((name) => runners.find((runner) => runner.name === name && runner.absent === null)).find((runner) => runner !== undefined)
  return runners.map(({ name, absent, times }) => rowOf(label, name, absent, times, reference === undefined ? Number.NaN : median(reference.times)))
}

function rowOf(label: string, name: string, absent: string | null, times: readonly number[], reference: number): string[] {
  if (absent !== null) return [label, name, '-', '-', '-', `not run: ${absent}`]
  return [label, name, String(times.length), median(times).toFixed(0), Math.min(...times).toFixed(0), (median(times) / reference).toFixed(2)]
}

function start(setting: StepSetting): Promise<Contender> {
  const file = join(import.meta.dirname, 'support', setting.backend === null ? 'torch_step.py' : 'train-step.ts')
  return setting.backend === null
    ? startContender(pythonWithTorch(), [file, JSON.stringify(setting)])
    : startContender(process.execPath, [...process.execArgv, file, JSON.stringify(setting)])
}

/** The first Python that has PyTorch: Debian's package belongs to /usr/bin/python3, which need not be the path's. */
function pythonWithTorch(): string {
  return ['python3', '/usr/bin/python3'].find((command) => spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0) ?? 'python3'
}
