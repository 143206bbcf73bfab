/** A patch in, the pixels of the network's input that it covers out. */
import type { Manifest } from '../domain/manifest.ts'

/** In pixels of the input; `bottom` and `right` are the first outside. */
export interface PatchBox {
  readonly top: number
  readonly bottom: number
  readonly left: number
  readonly right: number
}

type Sizes = Pick<Manifest, 'patchGrid' | 'input'>

/** The box of a patch. All boxes together cover the input once, also where the grid does not divide it. */
export function patchBox(patch: number, { patchGrid, input }: Sizes): PatchBox {
  const row = Math.floor(patch / patchGrid.width)
  const column = patch % patchGrid.width
  const edge = (cell: number, cells: number, pixels: number): number => Math.round((cell * pixels) / cells)
  return {
    top: edge(row, patchGrid.height, input.height),
    bottom: edge(row + 1, patchGrid.height, input.height),
    left: edge(column, patchGrid.width, input.width),
    right: edge(column + 1, patchGrid.width, input.width),
  }
}

/** Calls `line` with where each line of the patch begins and ends in [channel, height, width]. */
export function eachLineOf(patch: number, sizes: Sizes, line: (start: number, end: number) => void): void {
  const { channels, height, width } = sizes.input
  const { top, bottom, left, right } = patchBox(patch, sizes)
  for (let channel = 0; channel < channels; channel++) {
    for (let row = top; row < bottom; row++) {
      const start = (channel * height + row) * width
      line(start + left, start + right)
    }
  }
}
