/** A tensor of another network in, the same function's tensor in ours out, where such a one exists. */
import { sizeOf, type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { resizePositions } from './resize-positions.ts'

/** The tensor in the wanted shape; null where it can't be brought there. */
export function fitTensor(name: string, tensor: Tensor, shape: readonly number[]): Tensor | null {
  if (tensor.shape.join() === shape.join()) return tensor
  if (name === 'pos_embed') return fitPositions(tensor, shape)
  if (name === 'patch_embed.proj.weight') return fitPatches(tensor, shape)
  return null
}

function fitPositions(tensor: Tensor, shape: readonly number[]): Tensor | null {
  const [, tokens = 0, width = 0] = tensor.shape
  const [, wanted = 0, wantedWidth = 0] = shape
  const [side, to] = [Math.sqrt(tokens - 1), Math.sqrt(wanted - 1)]
  if (tensor.shape.length !== 3 || tensor.shape[0] !== 1 || width !== wantedWidth || side < 1 || !Number.isInteger(side)) return null
  return resizePositions(tensor, side, to)
}

/**
 * The patch convolution for other channels and for windows that reach into their neighbors.
 *
 * A gray network gets the sum over the colors, which answers to a gray image as the color network does to the same image three times; a color
 * network gets a third of the gray weights in each. A wider window has the weights in its middle and zeros around: the same patches.
 *
 * tensor, shape  [width, channel, side, side]
 */
function fitPatches(tensor: Tensor, shape: readonly number[]): Tensor | null {
  const [width = 0, channels = 0, side = 0, otherSide = 0] = tensor.shape
  const [wantedWidth, wantedChannels = 0, wantedSide = 0] = shape
  const margin = (wantedSide - side) / 2
  const isOfKind = tensor.shape.length === 4 && width === wantedWidth && side === otherSide
  if (!isOfKind || margin < 0 || !Number.isInteger(margin) || !(channels === wantedChannels || channels === 1 || wantedChannels === 1)) return null
  const fitted = new Float32Array(sizeOf(shape))
  const from = (out: number, channel: number, y: number, x: number): number => tensor.data[((out * channels + channel) * side + y) * side + x] ?? 0
  const weightAt = (out: number, channel: number, y: number, x: number): number => {
    if (channels === wantedChannels) return from(out, channel, y, x)
    if (channels === 1) return from(out, 0, y, x) / wantedChannels
    return Array.from({ length: channels }, (_, color) => from(out, color, y, x)).reduce((sum, value) => sum + value, 0)
  }
  for (let out = 0; out < width; out++) {
    for (let channel = 0; channel < wantedChannels; channel++) {
      for (let y = 0; y < side; y++) {
        const row = ((out * wantedChannels + channel) * wantedSide + y + margin) * wantedSide + margin
        for (let x = 0; x < side; x++) fitted[row + x] = weightAt(out, channel, y, x)
      }
    }
  }
  return tensorOf(fitted, shape)
}
