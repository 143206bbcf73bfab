/** The five reference networks of test/golden: their configuration, weights, input and every tensor that must be met. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { DCMM_RELEASED, type NetworkConfig, SBM_RELEASED } from '../../../models/network-config.ts'
import { readSafetensors } from '../../../models/safetensors.ts'
import type { SbmMask } from '../../../models/sbm-vit/mask-mode.ts'
import { at, type Tensor } from '../../../src/tensor/tensor.ts'

const folder = resolve(import.meta.dirname, '../../golden')

export const GOLDEN_NAMES = ['vit', 'dcmm', 'dcmm-all', 'sbm-expected', 'sbm-masked'] as const
export type GoldenName = (typeof GOLDEN_NAMES)[number]

/** What the golden files' README states: close enough for float32 against float64. */
export const GOLDEN_TOLERANCE = { absolute: 2e-5, relative: 1e-4 }

export interface Golden {
  readonly config: NetworkConfig
  readonly weights: ReadonlyMap<string, Tensor>
  readonly input: Tensor
  /** [batch], class indices */
  readonly targets: readonly number[]
  readonly mask: SbmMask
  readonly labelSmoothing: number
  readonly learningRate: number
  readonly weightDecay: number
  /** Every tensor that is no weight and no input. */
  readonly expected: ReadonlyMap<string, Tensor>
}

export function loadGolden(name: GoldenName): Golden {
  const { tensors, metadata } = readSafetensors(readFileSync(join(folder, `${name}.safetensors`)))
  const c = JSON.parse(metadata['config'] ?? '') as Record<string, number>
  const structuredLayers = JSON.parse(metadata['layers'] ?? '') as number[]
  const variant = metadata['variant']
  const dcmm = { ...DCMM_RELEASED, communities: c['communities']!, entropyWeight: c['entropyWeight']! }
  const sbm = { ...SBM_RELEASED, communities: c['communities']!, delta: c['delta']!, straightThroughClip: c['steClip']!, densityWeight: c['densityWeight']! }
  const config: NetworkConfig = {
    network: variant === 'dcmm' ? 'dcmm-vit' : variant === 'sbm' ? 'sbm-vit' : 'vit',
    imageSize: c['image']!,
    channels: c['channels']!,
    patchSize: c['patch']!,
    patchOverlap: 0,
    width: c['width']!,
    depth: c['depth']!,
    heads: c['heads']!,
    mlpRatio: 4,
    classes: c['classes']!,
    layerNormEps: c['layerNormEps']!,
    structuredLayers,
    dcmm: variant === 'dcmm' ? dcmm : null,
    sbm: variant === 'sbm' ? sbm : null,
  }
  const weights = new Map([...tensors].filter(([key]) => key.startsWith('weight.')).map(([key, value]) => [key.slice('weight.'.length), value]))
  const expected = new Map([...tensors].filter(([key]) => !key.startsWith('weight.') && key !== 'input'))
  return {
    config,
    weights,
    input: tensors.get('input')!,
    targets: (metadata['target'] ?? '').split(',').map(Number),
    mask: name === 'sbm-masked' ? { mode: 'fixed', masks: goldenMasks(config) } : { mode: 'expected' },
    labelSmoothing: c['labelSmoothing']!,
    learningRate: c['lr']!,
    weightDecay: c['weightDecay']!,
    expected,
  }
}

/** A[h,i,j] = (3i + 5j + 7h + 11 layer) % 4 != 0, from the golden files' README; the class token's row and column are forced by the network itself. */
function goldenMasks(config: NetworkConfig): ReadonlyMap<number, Tensor> {
  const tokens = (config.imageSize / config.patchSize) ** 2 + 1
  const entry = (layer: number, h: number, i: number, j: number): number => ((3 * i + 5 * j + 7 * h + 11 * layer) % 4 === 0 ? 0 : 1)
  const maskOf = (layer: number): Tensor => ({
    shape: [1, config.heads, tokens, tokens],
    data: Float32Array.from({ length: config.heads * tokens * tokens }, (_, n) => entry(layer, Math.floor(n / tokens ** 2), Math.floor(n / tokens) % tokens, n % tokens)),
  })
  return new Map(config.structuredLayers.map((layer) => [layer, maskOf(layer)]))
}

/** How often the difference exceeds what is allowed: at most 1 where every value is close enough. Infinite for other shapes or NaN. */
export function excess(actual: Tensor, expected: Tensor, { absolute, relative }: { absolute: number; relative: number }): number {
  if (actual.shape.join() !== expected.shape.join()) return Number.POSITIVE_INFINITY
  let worst = 0
  for (let i = 0; i < expected.data.length; i++) {
    const ratio = Math.abs(actual.data[i]! - expected.data[i]!) / (absolute + relative * Math.abs(expected.data[i]!))
    worst = Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : Math.max(worst, ratio)
  }
  return worst
}

/** Rows of the outermost axis, for tensors that are stored for each image. */
export const rowsOf = (tensor: Tensor): Tensor[] => Array.from({ length: tensor.shape[0] ?? 0 }, (_, i) => at(tensor, i))
