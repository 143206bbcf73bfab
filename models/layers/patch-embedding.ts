/**
 * Pixels in, one vector for each patch out. Source: Dosovitskiy et al., arXiv:2010.11929, section 3.1; overlapping windows as in the
 * tokens-to-token ViT, arXiv:2101.11986, section 3.1.
 *
 * A convolution with the patch as its stride, written as reshapes and one matrix product: the gradient of a convolution's filter is
 * missing on the wasm backend.
 */
import * as tf from '@tensorflow/tfjs'
import type { Primitives } from './primitives.ts'
import type { WeightOf } from './weight-of.ts'

/**
 * One vector for each patch, row by row over the grid.
 *
 * pixels   [batch, channel, height, width]
 * returns  [batch, patch, width]. Weights: proj.weight [width, channel, side, side] with side = patchSize + 2 patchOverlap, proj.bias [width]
 */
export function patchEmbedding(pixels: tf.Tensor4D, patchSize: number, patchOverlap: number, weight: WeightOf, primitives: Primitives): tf.Tensor3D {
  const kernel = weight('proj.weight')
  const windows = patchWindows(pixels, patchSize, patchOverlap) // [batch, patch, channel x side x side]
  const flatKernel = tf.reshape(kernel, [kernel.shape[0] ?? 0, -1]) // [width, channel x side x side]
  return primitives.linear(windows, flatKernel, weight('proj.bias')) as tf.Tensor3D
}

/**
 * The pixels under each patch's window, zeros outside the image.
 *
 * pixels   [batch, channel, height, width]
 * returns  [batch, patch, channel x side x side], side = patchSize + 2 patchOverlap, channel outermost
 */
export function patchWindows(pixels: tf.Tensor4D, patchSize: number, patchOverlap: number): tf.Tensor3D {
  const [batch, channels, height, width] = pixels.shape
  const [gridRows, gridColumns] = [height / patchSize, width / patchSize]
  const side = patchSize + 2 * patchOverlap

  const byRow = windowsAlong(tf.reshape(pixels, [batch * channels, height, width]), gridRows, patchSize, patchOverlap) // [batch x channel, gridRow x side, width]
  const columnsFirst = tf.transpose(byRow, [0, 2, 1]) // [batch x channel, width, gridRow x side]
  const byBoth = windowsAlong(columnsFirst, gridColumns, patchSize, patchOverlap) // [batch x channel, gridColumn x side, gridRow x side]

  const split = tf.reshape(byBoth, [batch, channels, gridColumns, side, gridRows, side]) // [batch, channel, gridColumn, x, gridRow, y]
  const ordered = tf.transpose(split, [0, 4, 2, 1, 5, 3]) // [batch, gridRow, gridColumn, channel, y, x]
  return tf.reshape(ordered, [batch, gridRows * gridColumns, channels * side * side])
}

/**
 * Windows along the middle axis, side by side.
 *
 * x        [a, cells x patchSize, b]
 * returns  [a, cells x side, b]: window after window, each patchSize + 2 patchOverlap long
 *
 * A window is made of slabs of patchSize: slab k of every window is the whole padded axis moved by k patches, so that a few slices and
 * one concatenation serve all windows (a gather would have no gradient on the wasm backend).
 */
function windowsAlong(x: tf.Tensor3D, cells: number, patchSize: number, patchOverlap: number): tf.Tensor3D {
  if (patchOverlap === 0) return x
  const side = patchSize + 2 * patchOverlap
  const slabs = Math.ceil(side / patchSize)
  const [outer, length, inner] = x.shape
  const after = (slabs - 1) * patchSize - patchOverlap // the last slab reaches past the window; what lies beyond is cut below
  const padded = tf.pad(x, [
    [0, 0],
    [patchOverlap, after],
    [0, 0],
  ])
  const parts = Array.from({ length: slabs }, (_, slab) => {
    const moved = tf.slice(padded, [0, slab * patchSize, 0], [outer, length, inner])
    const byCell = tf.reshape(moved, [outer, cells, patchSize, inner]) // [a, cell, patchSize, b]
    return tf.slice(byCell, [0, 0, 0, 0], [outer, cells, Math.min(patchSize, side - slab * patchSize), inner])
  })
  return tf.reshape(tf.concat(parts, 2), [outer, cells * side, inner])
}
