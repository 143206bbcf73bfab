/** The nouns of the data room: a data set with three splits, as bytes. */
export const SPLIT_NAMES = ['train', 'validation', 'test'] as const
export type SplitName = (typeof SPLIT_NAMES)[number]

export interface Split {
  readonly count: number
  /** [image, height, width, channel], 0 is black. */
  readonly images: Uint8Array
  /** [image], indices of classes. */
  readonly labels: Uint8Array
  /** [image, height, width], 0 outside what readers marked; an image without a finding has an empty mask. Left out where the file has none. */
  readonly masks?: Uint8Array
}

/** What is known of a published file, told by its checksum. */
export interface DataSetFacts {
  readonly id: string
  readonly title: string
  readonly classes: readonly string[]
  /** DICOM modalities of the images' kind. */
  readonly modalities: readonly string[]
  readonly licence: string
  readonly attributions: readonly string[]
  /** What whoever reads a number made from this set must know. */
  readonly caveats: readonly string[]
}

export interface DataSet {
  readonly facts: DataSetFacts
  /** Of the whole file. */
  readonly sha256: string
  readonly height: number
  readonly width: number
  readonly channels: 1 | 3
  readonly splits: Readonly<Record<SplitName, Split>>
}
