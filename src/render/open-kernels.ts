/** The compiled kernels of this room, opened at the first call: one module for all. */
import { type OpenModule, openModule } from '../tensor/open-module.ts'
import { COMPILED_KERNELS } from './compiled-kernels.ts'

/** The functions of kernels.as.ts. */
export interface Kernels {
  readonly subtractLeft: (from: number, to: number, length: number, height: number, pixelBytes: number) => void
  readonly adler32: (from: number, length: number, start: number) => number
  readonly countBytes: (from: number, length: number, counts: number, lengths: number) => void
  readonly startBits: () => void
  readonly writeTo: (to: number) => void
  readonly written: () => number
  readonly putBits: (value: number, count: number) => void
  readonly putCodes: (from: number, length: number, codes: number, lengths: number) => void
  readonly finishBits: () => void
  readonly spreadGray: (from: number, to: number, count: number) => void
  readonly blendRow: (
    pixels: number,
    width: number,
    cells: number,
    lower: number,
    upper: number,
    weight: number,
    image: number,
    colors: number,
    tables: number,
    made: number,
  ) => void
  readonly blendPatches: (
    pixels: number,
    width: number,
    patches: number,
    below: number,
    lower: number,
    labels: number,
    kept: number,
    added: number,
    tables: number,
    made: number,
    border: number,
  ) => void
}

let opened: OpenModule<Kernels> | undefined

export function openKernels(): OpenModule<Kernels> {
  opened ??= openModule<Kernels>(COMPILED_KERNELS)
  return opened
}
