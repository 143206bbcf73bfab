/** A MedMNIST-style .npz in, a checked data set out: {train, val, test} x {images, labels} of unsigned bytes. */
import { createHash } from 'node:crypto'
import { Problem } from '../../src/domain/problem.ts'
import { type DataSet, type DataSetFacts, SPLIT_NAMES, type Split, type SplitName } from './data-set.ts'
import { knownDataSet } from './known-data-sets.ts'
import { type ByteArray, readNpy } from './read-npy.ts'
import { readZip } from './read-zip.ts'

export interface ReadOptions {
  /** SHA-256 of files that may be read though nobody published them: named one by one, never "any". */
  readonly allowed: readonly string[]
}

/**
 * The data set.
 *
 * Many copies of the MedMNIST files in circulation are altered; a file that is no known one, byte for byte, is refused.
 * Throws: "data-set-unknown" with the file's SHA-256; "file-unreadable" where it is no such archive, its parts do not fit or a label is out of range.
 */
export function readDataSet(bytes: Uint8Array, options: ReadOptions): DataSet {
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const known = knownDataSet(createHash('md5').update(bytes).digest('hex'), sha256)
  if (known === null && !options.allowed.includes(sha256)) {
    throw new Problem('data-set-unknown', `this is none of the known data files; to use it all the same, name it: --allow-data ${sha256}`, { sha256 })
  }
  const members = readZip(bytes)
  const images = { train: imagesOf(members, 'train'), validation: imagesOf(members, 'val'), test: imagesOf(members, 'test') }
  const [, height = 0, width = 0, channels = 1] = images.train.shape
  if (channels !== 1 && channels !== 3) throw unreadable(`images of ${channels} channels`)
  const splits = withMasks(members, { train: splitOf(members, 'train', images), validation: splitOf(members, 'validation', images), test: splitOf(members, 'test', images) }, [
    height,
    width,
  ])
  const facts = known ?? unlistedFacts(sha256, splits.train)
  for (const split of Object.values(splits)) checkLabels(split, facts.classes.length)
  return { facts, sha256, height, width, channels, splits }
}

function unreadable(detail: string): Problem {
  return new Problem('file-unreadable', detail, {})
}

/** How the files call the splits. */
const PREFIX: Readonly<Record<SplitName, string>> = { train: 'train', validation: 'val', test: 'test' }

type Splits = Readonly<Record<SplitName, Split>>

/** The splits with their masks, `<split>_masks` [image, row, column], where the file has them for all three. */
function withMasks(members: ReadonlyMap<string, Uint8Array>, splits: Splits, size: readonly number[]): Splits {
  if (SPLIT_NAMES.some((name) => !members.has(`${PREFIX[name]}_masks.npy`))) return splits
  const withMask = (name: SplitName): Split => {
    const { shape, data } = memberOf(members, `${PREFIX[name]}_masks`)
    const expected = [splits[name].count, ...size]
    if (shape.join() !== expected.join()) throw unreadable(`${PREFIX[name]}_masks is [${shape.join(', ')}], the images ask for [${expected.join(', ')}]`)
    return { ...splits[name], masks: data }
  }
  return { train: withMask('train'), validation: withMask('validation'), test: withMask('test') }
}

function memberOf(members: ReadonlyMap<string, Uint8Array>, name: string): ByteArray {
  const member = members.get(`${name}.npy`)
  if (!member) throw unreadable(`the archive has no ${name}.npy`)
  return readNpy(member)
}

function imagesOf(members: ReadonlyMap<string, Uint8Array>, prefix: string): ByteArray {
  const images = memberOf(members, `${prefix}_images`)
  if (images.shape.length !== 3 && images.shape.length !== 4) throw unreadable(`${prefix}_images has ${images.shape.length} axes`)
  return images
}

/** Labels come as [image, 1] or [image]. */
function splitOf(members: ReadonlyMap<string, Uint8Array>, name: SplitName, images: Readonly<Record<SplitName, ByteArray>>): Split {
  const { shape, data } = images[name]
  const labels = memberOf(members, `${PREFIX[name]}_labels`).data
  const [count = 0, ...size] = shape
  if (size.join() !== images.train.shape.slice(1).join()) throw unreadable('the splits have images of different sizes')
  if (labels.length !== count || count === 0) throw unreadable(`${count} ${name} images have ${labels.length} labels`)
  return { count, images: data, labels }
}

function checkLabels({ labels }: Split, classes: number): void {
  const wrong = labels.find((label) => label >= classes)
  if (wrong !== undefined) throw unreadable(`a label is ${wrong}, of ${classes} classes`)
}

function unlistedFacts(sha256: string, train: Split): DataSetFacts {
  const classes = train.labels.reduce((highest, label) => Math.max(highest, label), 1) + 1
  return {
    id: `unlisted-${sha256.slice(0, 12)}`,
    title: `unlisted file ${sha256.slice(0, 12)}`,
    classes: Array.from({ length: classes }, (_, i) => `class ${i}`),
    modalities: [],
    licence: 'unknown',
    attributions: [],
    caveats: ['The file is not a known one: its origin and labels were not checked.'],
  }
}
