/** The compiled kernels of this room, opened at the first call: one module for all. */
import { COMPILED_KERNELS } from './compiled-kernels.ts'
import { type OpenModule, openModule } from './open-module.ts'

/** The functions of kernels.as.ts. */
export interface Kernels {
  readonly gram: (x: number, rows: number, columns: number, workspace: number, products: number) => void
  readonly averageLink: (distances: number, items: number, padded: number, sizes: number, chain: number, merges: number) => void
}

let opened: OpenModule<Kernels> | undefined

export function openKernels(): OpenModule<Kernels> {
  opened ??= openModule<Kernels>(COMPILED_KERNELS)
  return opened
}
