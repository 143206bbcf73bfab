/** A table of images and their folder in, a data set at the network's size out, each image through the server's own decoding, fitting and resizing. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { ManifestInput } from '../../src/domain/manifest.ts'
import { Problem } from '../../src/domain/problem.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { preprocessingSha256, toInputTensor } from '../../src/imaging/to-input-tensor.ts'
import { type DataSet, SPLIT_NAMES, type Split } from './data-set.ts'
import { findImageFiles, type ImageFile } from './find-image-files.ts'
import { type DecodedImages, type ImageCache, NO_CACHE } from './image-cache.ts'
import { type ImageTable, readImageTable } from './read-image-table.ts'

/** What the network's input is; how an image is fitted into it is as in serving. */
export interface InputShape {
  readonly channels: 1 | 3
  readonly height: number
  readonly width: number
  readonly fit: ManifestInput['fit']
  readonly resize: ManifestInput['resize']
}

/** How a training fits images into its input; an exported bundle's manifest says the same. */
export const TRAINING_FIT = { fit: 'crop', resize: 'bilinear-antialias' } as const

export interface FolderOptions {
  /** Where the table's images lie. */
  readonly folder: string
  readonly input: InputShape
  /** The classes in the order of the network's outputs; null takes the training split's, sorted. */
  readonly classes: readonly string[] | null
  readonly cache?: ImageCache
  /** Of all images together at the network's size; more is refused before anything is decoded. */
  readonly limitBytes?: number
  /** Told after each decoded image. */
  readonly report?: (done: number, of: number) => void
}

/** 40,000 gray images at 224 pixels: what a training on one machine keeps in memory. */
export const LIMIT_BYTES = 2 ** 31

/**
 * The data set. One source image is in memory at a time; what stays is one byte a channel and pixel, at most half of 1/255 from what serving computes.
 *
 * Throws: "file-unreadable" naming the line of the table: what readImageTable and findImageFiles refuse, an image that cannot be decoded, two splits with
 * the same image byte for byte; "parameter-invalid" where the images would be more than the limit.
 */
export async function readImageFolder(table: Uint8Array, options: FolderOptions): Promise<DataSet> {
  const { input, folder, cache = NO_CACHE, report = () => {} } = options
  const images = readImageTable(decodeText(table), options.classes)
  const files = findImageFiles(images, folder)
  checkSize(files.length, input, options.limitBytes ?? LIMIT_BYTES)
  const hashes = files.map(hashOf)
  checkTwins(files, hashes)
  const sha256 = createHash('sha256').update(table).update(hashes.join()).digest('hex')
  const key = createHash('sha256')
    .update(sha256)
    .update(preprocessingSha256(unitInput(input)))
    .digest('hex')
  const kept = cache.read(key)
  const decoded = kept ?? (await decodeAll(files, input, report))
  if (kept === null) cache.write(key, decoded)
  return dataSetOf(images, decoded, sha256, input)
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw unreadable('the table is not UTF-8', cause)
  }
}

function checkSize(count: number, input: InputShape, limitBytes: number): void {
  const bytes = count * imageBytes(input)
  if (bytes > limitBytes) throw new Problem('parameter-invalid', `the images take ${bytes} bytes at the network's size, more than ${limitBytes}`, { parameter: 'data' })
}

function imageBytes({ channels, height, width }: InputShape): number {
  return channels * height * width
}

function hashOf({ file, line }: ImageFile): string {
  return createHash('sha256').update(readOrThrow(file, line)).digest('hex')
}

/** The same picture under two names in two splits is the leak that a patient column can't tell. */
function checkTwins(files: readonly ImageFile[], hashes: readonly string[]): void {
  const seen = new Map<string, ImageFile>()
  files.forEach((file, i) => {
    const before = seen.get(hashes[i] ?? '')
    if (before !== undefined && before.split !== file.split) {
      throw unreadable(`lines ${before.line} (${before.split}) and ${file.line} (${file.split}) of the table are the same file, byte for byte, in two splits`)
    }
    seen.set(hashes[i] ?? '', file)
  })
}

async function decodeAll(files: readonly ImageFile[], input: InputShape, report: (done: number, of: number) => void): Promise<DecodedImages> {
  const images = new Uint8Array(files.length * imageBytes(input))
  const modalities = new Set<string>()
  for (const [i, file] of files.entries()) {
    const { pixels, modality } = await decodeOne(file, input)
    images.set(pixels, i * imageBytes(input))
    if (modality !== null) modalities.add(modality)
    report(i + 1, files.length)
  }
  return { images, modalities: [...modalities].sort() }
}

/** [height, width, channel] as bytes. The source's identity, which decoding reads too, is left behind here. */
async function decodeOne({ file, line, frame }: ImageFile, input: InputShape): Promise<{ pixels: Uint8Array; modality: string | null }> {
  try {
    const { image } = await decodeImage(readOrThrow(file, line), { frame })
    const { data } = toInputTensor(image, unitInput(input)).pixels
    return { pixels: toBytes(data, input), modality: image.facts.modality }
  } catch (error) {
    if (error instanceof Problem && error.code !== 'file-unreadable')
      throw unreadable(`the image of line ${line} of the table cannot be read: ${error.message} (${error.code})`, error)
    throw error
  }
}

/** The network's input before normalization: mean 0, deviation 1. */
function unitInput({ channels, height, width, fit, resize }: InputShape): ManifestInput {
  const each = (value: number): number[] => new Array<number>(channels).fill(value)
  return { name: 'pixels', layout: 'nchw', channels, height, width, fit, resize, mean: each(0), deviation: each(1), modalities: [] }
}

/** [channel, height, width] in [0, 1] to [height, width, channel], each value round(255 x). */
function toBytes(values: Float32Array, { channels, height, width }: InputShape): Uint8Array {
  const plane = height * width
  const bytes = new Uint8Array(values.length)
  for (let channel = 0; channel < channels; channel++) {
    for (let i = 0; i < plane; i++) bytes[i * channels + channel] = Math.floor(255 * Math.min(1, Math.max(0, values[channel * plane + i] ?? 0)) + 0.5)
  }
  return bytes
}

function dataSetOf(table: ImageTable, { images, modalities }: DecodedImages, sha256: string, input: InputShape): DataSet {
  let start = 0
  const [train, validation, test] = SPLIT_NAMES.map((name): Split => {
    const rows = table.rows[name]
    const part = images.subarray(start * imageBytes(input), (start + rows.length) * imageBytes(input))
    start += rows.length
    return { count: rows.length, images: part, labels: Uint8Array.from(rows, ({ label }) => label) }
  }) as [Split, Split, Split]
  const facts = {
    id: `folder-${sha256.slice(0, 12)}`,
    title: `folder of images ${sha256.slice(0, 12)}`,
    classes: table.classes,
    modalities,
    licence: 'unknown',
    attributions: [],
    caveats: ['Labels, patients and splits are those of the table beside the images; nobody else has checked them.'],
  }
  return { facts, sha256, height: input.height, width: input.width, channels: input.channels, splits: { train, validation, test } }
}

function readOrThrow(file: string, line: number): Uint8Array {
  try {
    return readFileSync(file)
  } catch (cause) {
    throw unreadable(`the image of line ${line} of the table cannot be read`, cause)
  }
}

function unreadable(detail: string, cause?: unknown): Problem {
  return new Problem('file-unreadable', detail, {}, cause)
}
