/** A data file's bytes in, the regions that readers marked in its images out: lesion masks, or boxes drawn as masks. */
import { Problem } from '../../src/domain/problem.ts'
import type { Region } from '../../src/explain/validation/localization.ts'
import { type DataSet, SPLIT_NAMES, type SplitName } from '../data/data-set.ts'
import { type ByteArray, readFloatNpy, readNpy } from '../data/read-npy.ts'
import { readZip } from '../data/read-zip.ts'

export interface Annotations {
  readonly kind: 'masks' | 'boxes'
  /** The region of one image, made when it is asked for; empty where nothing was marked. */
  readonly regionOf: (split: SplitName, index: number) => Region
}

const PREFIX: Readonly<Record<SplitName, string>> = { train: 'train', validation: 'val', test: 'test' }

/**
 * The annotations, null where the file holds none.
 *
 * Masks are `<split>_masks`, [image, row, column] of bytes, 0 outside; boxes `<split>_boxes`, [image, 4] of float32: the middle's x and y, width and
 * height, each a part of the picture's side.
 * Throws: "file-unreadable" where they are not one an image.
 */
export function readAnnotations(bytes: Uint8Array, data: DataSet): Annotations | null {
  const members = readZip(bytes)
  const membersOf = (suffix: string): Record<SplitName, Uint8Array> | null => {
    const [train, validation, test] = SPLIT_NAMES.map((split) => members.get(`${PREFIX[split]}_${suffix}.npy`))
    return train === undefined || validation === undefined || test === undefined ? null : { train, validation, test }
  }
  const masks = membersOf('masks')
  if (masks !== null) return masksOf(masks, data)
  const boxes = membersOf('boxes')
  return boxes === null ? null : boxesOf(boxes, data)
}

function masksOf(members: Readonly<Record<SplitName, Uint8Array>>, { splits, height, width }: DataSet): Annotations {
  const arrays = mapSplits((split) => checked(readNpy(members[split]), [splits[split].count, height, width]))
  const size = height * width
  return { kind: 'masks', regionOf: (split, index) => ({ rows: height, columns: width, mask: arrays[split].data.subarray(index * size, (index + 1) * size) }) }
}

function boxesOf(members: Readonly<Record<SplitName, Uint8Array>>, { splits, height, width }: DataSet): Annotations {
  const arrays = mapSplits((split) => checked(readFloatNpy(members[split]), [splits[split].count, 4]))
  return { kind: 'boxes', regionOf: (split, index) => drawBox(arrays[split].data.subarray(4 * index, 4 * index + 4), height, width) }
}

/** The pixels whose middle lies in the box. */
export function drawBox([x = 0, y = 0, boxWidth = 0, boxHeight = 0]: ArrayLike<number> & Iterable<number>, rows: number, columns: number): Region {
  const mask = new Uint8Array(rows * columns)
  for (let i = 0; i < mask.length; i++) {
    const v = (Math.floor(i / columns) + 0.5) / rows
    const u = ((i % columns) + 0.5) / columns
    if (Math.abs(v - y) <= boxHeight / 2 && Math.abs(u - x) <= boxWidth / 2) mask[i] = 1
  }
  return { rows, columns, mask }
}

function checked<T extends Pick<ByteArray, 'shape'>>(array: T, expected: readonly number[]): T {
  if (array.shape.join() !== expected.join())
    throw new Problem('file-unreadable', `the annotations are [${array.shape.join(', ')}], the images ask for [${expected.join(', ')}]`, {})
  return array
}

function mapSplits<T>(make: (split: SplitName) => T): Record<SplitName, T> {
  return { train: make('train'), validation: make('validation'), test: make('test') }
}
