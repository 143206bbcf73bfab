/** The nouns of the first half of the road: a decoded image, and the network's input made from it. */
import type { Tensor } from '../tensor/tensor.ts'
import type { StatedAnatomy } from './input-check.ts'
import type { Placement } from './placement.ts'

export type ImageFormat = 'dicom' | 'png' | 'jpeg'

/** The VOI window that was applied. `range` means that nothing was given and the image's own range was taken. */
export interface AppliedWindow {
  readonly center: number
  readonly width: number
  readonly function: 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID' | 'LUT' | 'RANGE' | 'NONE'
}

export interface ImageWarning {
  readonly code: string
  readonly detail: string
}

/** What an answer may say of the image: facts about pixels, never a patient attribute. */
export interface ImageFacts {
  readonly format: ImageFormat
  readonly rows: number
  readonly columns: number
  /** From 1. */
  readonly frame: number
  readonly frames: number
  readonly modality: string | null
  readonly transferSyntaxUid: string | null
  readonly photometricInterpretation: string | null
  readonly bitsStored: number
  readonly window: AppliedWindow
  readonly warnings: readonly ImageWarning[]
}

/** One frame, ready to be shown: windowed, inverted where the standard asks for it. */
export interface DecodedImage {
  readonly facts: ImageFacts
  /** [rows, columns, channel], 1 or 3 channels, in [0, 1], 0 is black. Never cut to 8 bits. */
  readonly pixels: Tensor
  /** Absent where the format states none, as PNG and JPEG. */
  readonly anatomy?: StatedAnatomy
}

/** The network's input with its way back to the source. */
export interface InputTensor {
  /** [channel, height, width], normalized. */
  readonly pixels: Tensor
  readonly placement: Placement
}
