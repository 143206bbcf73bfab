/** An explanation and the input it is of in, the same out with what each map puts on patches that show nothing. */
import type { Explanation, ExplanationMap } from '../domain/explanation.ts'
import type { InputTensor } from '../domain/image.ts'
import type { Manifest } from '../domain/manifest.ts'
import { type PatchBox, patchBox } from './patch-box.ts'

/** A patch that spans no more of the input's gray range shows nothing: air around a body, a black margin. 0 to 1. */
export const BLANK_SPAN = 0.05
/** A map with more of its sum on blank patches says so in a note. */
export const MOSTLY_BLANK = 0.5

/** Maps that are read as "where": of the others a blank patch may have its fair share. */
const READ_AS_WHERE = ['attention', 'attention-without-structure', 'rollout', 'delta', 'evidence', 'evidence-signed', 'structure-attribution', 'knockout']

/**
 * `numbers.blankShare` of each map that is read as "where": the part of its values' absolute sum that lies on blank patches; `numbers.blankArea`: the part of the patches
 * that are blank. A map that lies mostly there, and more than evenly, has a note: transformers keep what they computed of the whole image in patches that show nothing, and
 * read it from there. Source: Darcet et al., "Vision transformers need registers", arXiv:2309.16588.
 *
 * input  [channel, height, width], normalized as the manifest says
 */
export function statedOnBlank(explanation: Explanation, manifest: Manifest, input: InputTensor): Explanation {
  const isBlank = blankPatches(manifest, input)
  const area = isBlank.filter(Boolean).length / isBlank.length
  return { ...explanation, maps: explanation.maps.map((map) => (READ_AS_WHERE.includes(map.name) ? stated(map, isBlank, area) : map)) }
}

/** Whether the note is one of `statedOnBlank`: replay leaves it out where an answer is older than it. */
export function isBlankNote(note: string): boolean {
  return note.endsWith(NOTE)
}

const NOTE = 'where the image shows nothing: such patches serve the network as a notepad, and are no finding'

function stated(map: ExplanationMap, isBlank: readonly boolean[], blankArea: number): ExplanationMap {
  const { all, blank } = sumsOf(map.grid.data, isBlank)
  if (all === 0) return map
  const blankShare = blank / all
  const isMostlyBlank = blankShare > MOSTLY_BLANK && blankShare > blankArea
  const note = `${Math.round(100 * blankShare)} % of this map lies on the ${Math.round(100 * blankArea)} % of the patches ${NOTE}`
  return { ...map, numbers: { ...map.numbers, blankShare, blankArea }, notes: isMostlyBlank ? [...map.notes, note] : map.notes }
}

/** The values' absolute sum, and the part of it on blank patches. */
function sumsOf(values: Float32Array, isBlank: readonly boolean[]): { readonly all: number; readonly blank: number } {
  let [all, blank] = [0, 0]
  for (let patch = 0; patch < values.length; patch++) {
    const size = Math.abs(values[patch] ?? 0)
    all += size
    if (isBlank[patch] === true) blank += size
  }
  return { all, blank }
}

/** By patch, whether all its pixels, in every channel, lie within BLANK_SPAN of the gray range [0, 1]. */
function blankPatches(manifest: Manifest, { pixels }: InputTensor): readonly boolean[] {
  const { patchGrid, input } = manifest
  const spans = input.deviation.map((deviation) => BLANK_SPAN / deviation)
  return Array.from({ length: patchGrid.height * patchGrid.width }, (_, patch) => {
    const box = patchBox(patch, manifest)
    return Array.from({ length: input.channels }, (_, channel) => channel).every((channel) => isBlankIn(pixels.data, box, channel, input, spans[channel] ?? BLANK_SPAN))
  })
}

/** Ends at the first line that shows something, which in most patches is the first of all. */
function isBlankIn(data: Float32Array, { top, bottom, left, right }: PatchBox, channel: number, { height, width }: Manifest['input'], span: number): boolean {
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (let row = top; row < bottom; row++) {
    const start = (channel * height + row) * width
    for (let i = start + left; i < start + right; i++) {
      const value = data[i] ?? 0
      if (value < min) min = value
      if (value > max) max = value
    }
    if (max - min > span) return false
  }
  return true
}
