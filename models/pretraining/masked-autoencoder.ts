/**
 * Visible patches in, the hidden ones' pixels out, and how far off they are. Source: He et al., arXiv:2111.06377, section 3.
 *
 * The positions are fixed sines and cosines here, as there; they are handed on as `pos_embed`, which the fine-tuning trains. The decoder takes its tokens in the
 * order visible, hidden: attention does not care, and nothing need be put back in place.
 */
import * as tf from '@tensorflow/tfjs'
import { hashName, mixKey, uniformAt } from '../../src/tensor/counter-random.ts'
import { sizeOf, type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { initialWeights } from '../initial-weights.ts'
import { block } from '../layers/block.ts'
import type { Primitives } from '../layers/primitives.ts'
import { weightsUnder } from '../layers/weight-of.ts'
import { gridSide, type NetworkConfig } from '../network-config.ts'
import { vitAttention } from '../vit/vit-attention.ts'
import { weightShapes } from '../weight-shapes.ts'
import type { MaskedBatch } from './masked-batch.ts'
import type { PretrainingRecipe } from './pretraining-recipe.ts'

/** Names that the decoder's weights carry in front. */
export const DECODER = 'decoder.'
/** Of the encoder what is not trained here. */
const LEFT_OUT = new Set(['pos_embed', 'head.weight', 'head.bias'])

/** The decoder as a network, for the shapes of its layers. */
function decoderConfig({ network, decoder }: PretrainingRecipe): NetworkConfig {
  return { ...network, width: decoder.width, depth: decoder.depth, heads: decoder.heads }
}

/**
 * Every weight that is trained, drawn from the seed: the encoder's by timm's names, the decoder's behind `decoder.`.
 *
 * Matrices of linear layers are drawn as in the paper's code, uniform within sqrt(6 / (in + out)): with timm's 0.02 a network as narrow as ours hardly
 * hears the patches beside the positions, and stays at the guess of the mean.
 */
export function initialPretrainingWeights(recipe: PretrainingRecipe, seed: number): Map<string, Tensor> {
  const encoder = [...initialWeights(recipe.network, seed)].filter(([name]) => !LEFT_OUT.has(name))
  const layers = [...initialWeights(decoderConfig(recipe), seed)].filter(([name]) => name.startsWith('blocks.') || name.startsWith('norm.'))
  const { width } = recipe.decoder
  const pixels = recipe.network.channels * recipe.network.patchSize ** 2
  const own: readonly [string, Tensor][] = [
    ['embed.weight', zeros([width, recipe.network.width])],
    ['embed.bias', zeros([width])],
    ['mask_token', zeros([1, 1, width])],
    ['pixels.weight', zeros([pixels, width])],
    ['pixels.bias', zeros([pixels])],
  ]
  const all = [...encoder, ...[...layers, ...own].map(([name, weight]): [string, Tensor] => [`${DECODER}${name}`, weight])]
  return new Map(all.map(([name, weight]) => [name, weight.shape.length === 2 ? glorot(weight.shape, mixKey(seed, hashName(name))) : weight]))
}

const zeros = (shape: readonly number[]): Tensor => tensorOf(new Float32Array(sizeOf(shape)), shape)

/** Source: Glorot and Bengio, AISTATS 2010, equation 16. [out, in] */
function glorot(shape: readonly number[], key: number): Tensor {
  const bound = Math.sqrt(6 / shape.reduce((sum, axis) => sum + axis, 0))
  return tensorOf(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => bound * (2 * uniformAt(key, i) - 1)),
    shape,
  )
}

/** The encoder as a network that a training starts from: positions put in, and a head of zeros, which says nothing. */
export function encoderOf({ network }: PretrainingRecipe, weights: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  return new Map(
    [...weightShapes(network)].map(([name, shape]) => {
      if (name === 'pos_embed') return [name, tensorOf(positionsOf(network, network.width), shape)]
      return [name, weights.get(name) ?? zeros(shape)]
    }),
  )
}

/** Mean squared error of the hidden patches' pixels: 1 for a guess of the mean. */
export function reconstructionLoss(recipe: PretrainingRecipe, weights: ReadonlyMap<string, tf.Tensor>, batch: MaskedBatch, primitives: Primitives): tf.Scalar {
  const { network, decoder } = recipe
  const { count, visible, hidden } = batch
  const seen = encode(recipe, weights, batch, primitives) // [image, 1 + visible, width]

  const weight = weightsUnder(weights, DECODER)
  const embedded = primitives.linear(seen, weight('embed.weight'), weight('embed.bias')) as tf.Tensor3D
  const masks = tf.mul<tf.Tensor3D>(tf.ones([count, hidden, 1]), weight('mask_token'))
  const positions = orderedPositions(positionsOf(network, decoder.width), decoder.width, batch.order, count)
  let x = tf.add<tf.Tensor3D>(tf.concat([embedded, masks], 1), positions)
  x = layers(x, decoderConfig(recipe), ofDecoder(weights), primitives)
  const guessed = primitives.linear(tf.slice(x, [0, 1 + visible, 0], [count, hidden, decoder.width]), weight('pixels.weight'), weight('pixels.bias'))
  return tf.mean(tf.squaredDifference(guessed, tf.tensor(batch.targets, guessed.shape)))
}

/** The encoder over the visible patches alone, class token in front, through the last norm. */
export function encode({ network }: PretrainingRecipe, weights: ReadonlyMap<string, tf.Tensor>, batch: MaskedBatch, primitives: Primitives): tf.Tensor3D {
  const { count, visible, windows, order } = batch
  const weight = weightsUnder(weights)
  const kernel = weight('patch_embed.proj.weight')
  const patches = primitives.linear(
    tf.tensor3d(windows, [count, visible, windows.length / (count * visible)]),
    tf.reshape(kernel, [network.width, -1]),
    weight('patch_embed.proj.bias'),
  )
  const classTokens = tf.mul<tf.Tensor3D>(tf.ones([count, 1, 1]), weight('cls_token'))
  const visibleOrder = visibleOf(order, count, visible)
  const positions = orderedPositions(positionsOf(network, network.width), network.width, visibleOrder, count)
  return layers(tf.add<tf.Tensor3D>(tf.concat([classTokens, patches as tf.Tensor3D], 1), positions), network, weights, primitives)
}

function layers(start: tf.Tensor3D, { depth, heads, layerNormEps }: NetworkConfig, weights: ReadonlyMap<string, tf.Tensor>, primitives: Primitives): tf.Tensor3D {
  let x = start
  for (let layer = 0; layer < depth; layer++) {
    x = block(x, { layer, depth, layerNormEps, primitives, dropPath: undefined, weights, attend: (qkv) => vitAttention(qkv, heads, primitives, null) })
  }
  const weight = weightsUnder(weights)
  return primitives.layerNorm(x, weight('norm.weight'), weight('norm.bias'), layerNormEps) as tf.Tensor3D
}

function ofDecoder(weights: ReadonlyMap<string, tf.Tensor>): Map<string, tf.Tensor> {
  return new Map([...weights].filter(([name]) => name.startsWith(DECODER)).map(([name, weight]) => [name.slice(DECODER.length), weight]))
}

function visibleOf(order: Uint32Array, count: number, visible: number): Uint32Array {
  const patches = order.length / count
  return Uint32Array.from({ length: count * visible }, (_, i) => order[Math.floor(i / visible) * patches + (i % visible)] ?? 0)
}

/** [image, 1 + patch, width]: 0 for the class token, then each patch's position in the order given. */
function orderedPositions(positions: Float32Array, width: number, order: Uint32Array, count: number): tf.Tensor3D {
  const patches = order.length / count
  const rows = new Float32Array(count * (1 + patches) * width)
  order.forEach((patch, i) => {
    const row = Math.floor(i / patches) * (1 + patches) + 1 + (i % patches)
    rows.set(positions.subarray((1 + patch) * width, (2 + patch) * width), row * width)
  })
  return tf.tensor3d(rows, [count, 1 + patches, width])
}

/**
 * Fixed positions [1 + patch, width], zeros for the class token: half of the width for the row, half for the column, sines and then cosines of
 * frequencies 10000^(-k / (width / 4)).
 */
export function positionsOf(network: NetworkConfig, width: number): Float32Array {
  const grid = gridSide(network)
  const quarter = width / 4
  const positions = new Float32Array((1 + grid * grid) * width)
  for (let patch = 0; patch < grid * grid; patch++) {
    for (const [half, coordinate] of [Math.floor(patch / grid), patch % grid].entries()) {
      for (let k = 0; k < quarter; k++) {
        const angle = coordinate * 10000 ** (-k / quarter)
        const at = (1 + patch) * width + half * 2 * quarter + k
        positions[at] = Math.sin(angle)
        positions[at + quarter] = Math.cos(angle)
      }
    }
  }
  return positions
}
