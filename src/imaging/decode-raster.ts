/** Bytes of a PNG or JPEG in, a decoded image out; the only file of this room that knows sharp. */
import sharp from 'sharp'
import type { DecodedImage, ImageWarning } from '../domain/image.ts'
import { Problem } from '../domain/problem.ts'
import { tensorOf } from '../tensor/tensor.ts'
import { MAX_PIXELS } from './limits.ts'
import { mapValues, rangeThatOccurs } from './map-values.ts'
import { readJpegHeader } from './read-jpeg-header.ts'
import { readPngHeader } from './read-png-header.ts'
import { fromRange, warning } from './window.ts'

// every loader but these two is closed: a name never decides, and a format that nobody asked for cannot be reached
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({ operation: ['VipsForeignLoadPng', 'VipsForeignLoadJpeg'] })

/** Samples of a file and what the file says of them. */
export interface OpenRaster {
  readonly raster: Raster
  readonly facts: RasterFacts
}

/** Interleaved samples as the file holds them, alpha included. */
export interface Raster {
  readonly rows: number
  readonly columns: number
  readonly channels: number
  readonly samples: Uint8Array | Uint16Array
}

export interface RasterFacts {
  readonly format: 'png' | 'jpeg'
  readonly photometricInterpretation: string
  readonly bitsStored: number
  readonly warnings: readonly ImageWarning[]
}

/**
 * The image of a PNG or JPEG.
 *
 * Alpha is composited over black, 16 bits stay 16 bits; gAMA, sRGB and profiles change nothing: a model sees samples as they are encoded.
 * Throws: "image-undecodable", "image-too-large".
 */
export async function decodeRaster(bytes: Uint8Array, format: 'png' | 'jpeg'): Promise<DecodedImage> {
  return toDecodedImage(await openRaster(bytes, format))
}

/**
 * The samples of a PNG or JPEG.
 *
 * Throws: "image-undecodable", "image-too-large".
 */
export function openRaster(bytes: Uint8Array, format: 'png' | 'jpeg'): Promise<OpenRaster> {
  return format === 'png' ? openPng(bytes) : openJpeg(bytes)
}

async function openPng(bytes: Uint8Array): Promise<OpenRaster> {
  const header = readPngHeader(bytes)
  checkSize(header.rows, header.columns)
  const isGray = header.colorType === 0 || header.colorType === 4
  const isWide = header.bitDepth === 16
  // sharp's b-w drops the alpha of 8-bit gray in silence, so that such gray goes through sRGB, which leaves its samples as they are
  const space = isGray && !header.hasAlpha ? 'b-w' : 'srgb'
  const decoded = await decode(header.pixelChunks, isWide ? (isGray ? 'grey16' : 'rgb16') : space, isWide)
  const raster = isGray ? keepGray(decoded) : decoded
  const warnings = header.colorChunks.includes('gAMA') || header.colorChunks.includes('iCCP') ? [warning('color-profile-ignored', 'samples were taken as they are encoded')] : []
  const photometricInterpretation = isGray ? 'MONOCHROME2' : header.colorType === 3 ? 'PALETTE COLOR' : 'RGB'
  return { raster, facts: { format: 'png', photometricInterpretation, bitsStored: header.colorType === 3 ? 8 : header.bitDepth, warnings } }
}

/** One of three equal channels, and the alpha where there is one. */
function keepGray({ rows, columns, channels, samples }: Raster): Raster {
  if (channels < 3) return { rows, columns, channels, samples }
  const kept = channels - 2
  const gray = samples instanceof Uint16Array ? new Uint16Array(rows * columns * kept) : new Uint8Array(rows * columns * kept)
  for (let i = 0; i < rows * columns; i++) {
    gray[i * kept] = samples[i * channels] ?? 0
    if (kept === 2) gray[i * kept + 1] = samples[i * channels + 3] ?? 0
  }
  return { rows, columns, channels: kept, samples: gray }
}

/** Turned upright as the EXIF orientation says; rows and columns are those of the upright image. */
async function openJpeg(bytes: Uint8Array): Promise<OpenRaster> {
  const { rows, columns, components } = readJpegHeader(bytes)
  checkSize(rows, columns)
  const orientation = await readOrientation(bytes)
  const raster = await decode(bytes, components === 1 ? 'b-w' : 'srgb', false)
  const warnings = orientation > 1 ? [warning('exif-orientation-applied', `the image was turned upright from EXIF orientation ${orientation}`)] : []
  return { raster, facts: { format: 'jpeg', photometricInterpretation: components === 1 ? 'MONOCHROME2' : 'RGB', bitsStored: 8, warnings } }
}

function checkSize(rows: number, columns: number): void {
  if (rows * columns > MAX_PIXELS) throw new Problem('image-too-large', `the image holds more than ${MAX_PIXELS} pixels`, { limitPixels: MAX_PIXELS })
}

const INPUT = { limitInputPixels: MAX_PIXELS, failOn: 'warning', ignoreIcc: true, animated: false } as const

async function readOrientation(bytes: Uint8Array): Promise<number> {
  try {
    return (await sharp(bytes, INPUT).metadata()).orientation ?? 1
  } catch (error) {
    throw undecodable(error)
  }
}

/** Without a color space that is named, libvips reduces 16-bit gray to 8 bits in silence. */
async function decode(bytes: Uint8Array, space: 'b-w' | 'srgb' | 'grey16' | 'rgb16', isWide: boolean): Promise<Raster> {
  try {
    const { data, info } = await sharp(bytes, INPUT)
      .autoOrient()
      .toColourspace(space)
      .raw({ depth: isWide ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true })
    const samples = isWide ? new Uint16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength)) : data
    return { rows: info.height, columns: info.width, channels: info.channels, samples }
  } catch (error) {
    throw undecodable(error)
  }
}

const undecodable = (cause: unknown): Problem => new Problem('image-undecodable', 'the image is damaged or cut off', {}, cause)

function toDecodedImage({ raster, facts }: OpenRaster): DecodedImage {
  const composited = compositeAlpha(raster)
  const scaled = scaleSamples(composited.samples)
  const { rows, columns } = raster
  return {
    pixels: tensorOf(scaled.pixels, [rows, columns, composited.channels]),
    facts: {
      ...facts,
      rows,
      columns,
      frame: 1,
      frames: 1,
      modality: null,
      transferSyntaxUid: null,
      window: scaled.window,
      warnings: [...facts.warnings, ...composited.warnings, ...scaled.warnings],
    },
  }
}

interface Opaque {
  readonly channels: 1 | 3
  readonly samples: Uint8Array | Uint16Array
  readonly warnings: readonly ImageWarning[]
}

/** Alpha as coverage over black; an alpha that covers everything is dropped, and said either way. */
function compositeAlpha({ samples, channels }: Raster): Opaque {
  const colors = channels >= 3 ? 3 : 1
  if (channels === colors) return { channels: colors, samples, warnings: [] }
  const top = samples instanceof Uint16Array ? 65_535 : 255
  const pixels = samples.length / channels
  const opaque = samples instanceof Uint16Array ? new Uint16Array(pixels * colors) : new Uint8Array(pixels * colors)
  let isCovered = true
  for (let i = 0; i < pixels; i++) {
    const alpha = samples[i * channels + colors] ?? top
    if (alpha !== top) isCovered = false
    for (let c = 0; c < colors; c++) opaque[i * colors + c] = Math.round(((samples[i * channels + c] ?? 0) * alpha) / top)
  }
  const detail = isCovered ? 'a fully opaque alpha channel was dropped' : 'transparent pixels were composited over black'
  return { channels: colors, samples: opaque, warnings: [warning(isCovered ? 'alpha-dropped' : 'alpha-composited', detail)] }
}

type ScaledSamples = Pick<DecodedImage['facts'], 'window' | 'warnings'> & { readonly pixels: Float32Array }

/**
 * Samples in [0, 1] over the format's full range.
 *
 * A 16-bit image that never reaches half of its range holds detector values that nobody windowed: it is shown over its own range,
 * as a DICOM image without a window is.
 */
function scaleSamples(samples: Uint8Array | Uint16Array): ScaledSamples {
  const top = samples instanceof Uint16Array ? 65_535 : 255
  if (samples instanceof Uint16Array) {
    const range = rangeThatOccurs(samples)
    if (range.max <= 32_767) {
      const { window, apply, warnings } = fromRange(range)
      return { window, warnings, pixels: mapValues(samples, apply) }
    }
  }
  return { window: { center: top / 2, width: top, function: 'NONE' }, warnings: [], pixels: mapValues(samples, (value) => value / top) }
}
