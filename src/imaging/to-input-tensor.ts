/** A decoded image and what a model asks for in, the network's input with its way back out. */
import { createHash } from 'node:crypto'
import type { DecodedImage, InputTensor } from '../domain/image.ts'
import type { ManifestInput } from '../domain/manifest.ts'
import type { Placement } from '../domain/placement.ts'
import { resizeBilinear, resizeBilinearAntialias } from '../tensor/resize.ts'
import { type Tensor, tensorOf } from '../tensor/tensor.ts'

/** Raised when any step from bytes to tensor changes its result; part of every answer's provenance. */
export const PREPROCESSING_VERSION = 1

/**
 * The network's input: fitted, resized, brought to the model's channels, normalized.
 *
 * image    pixels [rows, columns, channel] in [0, 1]
 * returns  pixels [channel, height, width], (pixel - mean) / deviation; padding is black before normalization
 */
export function toInputTensor(image: DecodedImage, input: ManifestInput): InputTensor {
  const [rows = 0, columns = 0] = image.pixels.shape
  const placement = placeInput(rows, columns, input)
  const source = input.channels === 1 ? toGray(image.pixels) : image.pixels
  const pixels = normalize(cutOut(source, placement, input.resize), input)
  return { pixels, placement }
}

/** What turns pixels into the tensor, as one hash: a model that was trained with another must not be served with this one. */
export function preprocessingSha256(input: ManifestInput): string {
  const { channels, height, width, fit, resize, mean, deviation } = input
  return createHash('sha256')
    .update(JSON.stringify({ version: PREPROCESSING_VERSION, channels, height, width, fit, resize, mean, deviation }))
    .digest('hex')
}

/**
 * The source rectangle that an input of this fit covers.
 *
 * 'crop' is the centered square of the short side and 'pad' that of the long side, where the input is a square; else the centered rectangle of
 * the input's own shape. An offset of half a pixel is rounded to the even neighbor, as Python's round() does in torchvision's and MedMNIST's crops.
 */
export function placeInput(rows: number, columns: number, { fit, height, width }: Pick<ManifestInput, 'fit' | 'height' | 'width'>): Placement {
  const whole = { sourceRows: rows, sourceColumns: columns, quarterTurns: 0, inputHeight: height, inputWidth: width } as const
  if (fit === 'stretch') return { ...whole, top: 0, left: 0, height: rows, width: columns }
  const isTall = rows * width >= columns * height
  const coversColumns = (fit === 'crop') === isTall
  const covered = coversColumns ? { height: (columns * height) / width, width: columns } : { height: rows, width: (rows * width) / height }
  return { ...whole, top: roundHalfEven((rows - covered.height) / 2), left: roundHalfEven((columns - covered.width) / 2), ...covered }
}

/** The nearest integer, the even one of two. */
export function roundHalfEven(value: number): number {
  const down = Math.floor(value)
  const rest = value - down
  const rounded = rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down
  return rounded + 0 // never -0
}

/**
 * The placement's rectangle of an image at the input's size.
 *
 * image    [row, column, channel]
 * returns  [inputHeight, inputWidth, channel]; black outside the image
 */
export function cutOut(image: Tensor, placement: Placement, method: ManifestInput['resize']): Tensor {
  const { inputHeight, inputWidth, quarterTurns } = placement
  const isUpright = quarterTurns % 2 === 0
  const resize = method === 'bilinear' ? resizeBilinear : resizeBilinearAntialias
  const resized = resize(image, placement, isUpright ? { height: inputHeight, width: inputWidth } : { height: inputWidth, width: inputHeight })
  return turnClockwise(resized, quarterTurns)
}

/** [row, column, channel] turned so many quarters clockwise. */
function turnClockwise(image: Tensor, quarterTurns: Placement['quarterTurns']): Tensor {
  if (quarterTurns === 0) return image
  const [rows = 0, columns = 0, channels = 0] = image.shape
  const [height, width] = quarterTurns === 2 ? [rows, columns] : [columns, rows]
  const turned = new Float32Array(image.data.length)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = sourceOfTurn(y, x, rows, columns, quarterTurns)
      for (let channel = 0; channel < channels; channel++) turned[(y * width + x) * channels + channel] = image.data[from * channels + channel] ?? 0
    }
  }
  return tensorOf(turned, [height, width, channels])
}

/** The pixel that comes to lie at (y, x). */
function sourceOfTurn(y: number, x: number, rows: number, columns: number, quarterTurns: 1 | 2 | 3): number {
  if (quarterTurns === 1) return (rows - 1 - x) * columns + y
  if (quarterTurns === 2) return (rows - 1 - y) * columns + columns - 1 - x
  return x * columns + columns - 1 - y
}

/** Luma with the weights of Pillow's convert('L'), which is how the training sets were made gray: (19595 R + 38470 G + 7471 B) / 65536. */
export function toGray(image: Tensor): Tensor {
  const [rows = 0, columns = 0, channels = 0] = image.shape
  if (channels === 1) return image
  const gray = new Float32Array(rows * columns)
  const { data } = image
  for (let i = 0, at = 0; i < gray.length; i++, at += 3) gray[i] = (19_595 * (data[at] ?? 0) + 38_470 * (data[at + 1] ?? 0) + 7_471 * (data[at + 2] ?? 0)) / 65_536
  return tensorOf(gray, [rows, columns, 1])
}

/** [height, width, 1 or 3] to [channel, height, width]; one channel feeds all three. */
function normalize(image: Tensor, { channels, mean, deviation }: ManifestInput): Tensor {
  const [height = 0, width = 0, available = 1] = image.shape
  const plane = height * width
  const normalized = new Float32Array(channels * plane)
  for (let channel = 0; channel < channels; channel++) {
    const from = available === 1 ? 0 : channel
    const center = mean[channel] ?? mean[0] ?? 0
    const scale = deviation[channel] ?? deviation[0] ?? 1
    for (let i = 0; i < plane; i++) normalized[channel * plane + i] = ((image.data[i * available + from] ?? 0) - center) / scale
  }
  return tensorOf(normalized, [channels, height, width])
}
