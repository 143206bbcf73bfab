/** Pixels in, a PNG file out: our own writer, since a palette, text chunks and equal bytes are wanted (PNG specification, third edition). */
import { crc32, deflate } from 'node:zlib'
import { huffmanRows } from './huffman-rows.ts'

export interface PngText {
  /** 1 to 79 Latin-1 characters. */
  readonly keyword: string
  readonly text: string
}

export interface PngPicture {
  readonly width: number
  readonly height: number
  readonly color: 'gray' | 'gray16' | 'grayAlpha16' | 'rgb' | 'rgba' | 'indexed'
  /** [height, width, channel] bytes, two a sample and the high one first where the color says 16; indices into `palette` where indexed. */
  readonly pixels: Uint8Array
  /** [entry, 3], at most 256. */
  readonly palette?: Uint8Array
  /** Alpha of the first entries of the palette; the others are opaque. */
  readonly paletteAlpha?: Uint8Array
  readonly texts: readonly PngText[]
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)
const COLOR_TYPE = { gray: 0, gray16: 0, rgb: 2, indexed: 3, grayAlpha16: 4, rgba: 6 } as const
const PIXEL_BYTES = { gray: 1, gray16: 2, grayAlpha16: 4, rgb: 3, indexed: 1, rgba: 4 } as const
/** Pictures above this are compressed for speed: 512 x 512 in color. */
const LARGE_BYTES = 3 * 512 * 512
/** The perceptual intent. */
const SRGB_INTENT = Uint8Array.of(0)

/** A PNG with the texts before the pixels, and an sRGB chunk where they are colors and no quantity. The same picture gives the same bytes. */
export async function encodePng(picture: PngPicture): Promise<Uint8Array> {
  const chunks = [SIGNATURE, chunk('IHDR', header(picture))]
  if (!is16(picture.color)) chunks.push(chunk('sRGB', SRGB_INTENT))
  if (picture.palette !== undefined) chunks.push(chunk('PLTE', picture.palette))
  if (picture.paletteAlpha !== undefined) chunks.push(chunk('tRNS', picture.paletteAlpha))
  for (const { keyword, text } of picture.texts) chunks.push(textChunk(keyword, text))
  chunks.push(chunk('IDAT', await compress(picture)), chunk('IEND', new Uint8Array(0)))
  return Buffer.concat(chunks)
}

function header({ width, height, color }: PngPicture): Uint8Array {
  const bytes = Buffer.alloc(13)
  bytes.writeUInt32BE(width, 0)
  bytes.writeUInt32BE(height, 4)
  bytes[8] = is16(color) ? 16 : 8
  bytes[9] = COLOR_TYPE[color]
  return bytes
}

function is16(color: PngPicture['color']): boolean {
  return color === 'gray16' || color === 'grayAlpha16'
}

const SUB = 1

/** Every row with its filter in front: none for indices, which are no quantity, else the difference to the pixel on the left. */
function filterRows({ width, height, color, pixels }: PngPicture): Uint8Array {
  const pixelBytes = PIXEL_BYTES[color]
  const length = width * pixelBytes
  const out = new Uint8Array((length + 1) * height)
  for (let y = 0; y < height; y++) {
    const to = y * (length + 1) + 1
    const from = y * length
    if (color === 'indexed') {
      out.set(pixels.subarray(from, from + length), to)
      continue
    }
    out[to - 1] = SUB
    for (let i = 0; i < pixelBytes; i++) out[to + i] = pixels[from + i] ?? 0
    for (let i = pixelBytes; i < length; i++) out[to + i] = (pixels[from + i] ?? 0) - (pixels[from + i - pixelBytes] ?? 0)
  }
  return out
}

/**
 * A picture is made for one look, so time counts more than size: level 1, and for large pictures in color Huffman codes and runs of zeros, which take
 * a quarter to a third of the time of level 1, for less bytes of an X-ray and up to a third more of a picture with black around it or of a panel.
 */
function compress(picture: PngPicture): Promise<Uint8Array> {
  const { width, height, color, pixels } = picture
  const pixelBytes = PIXEL_BYTES[color]
  const length = width * pixelBytes
  const isInColor = color === 'rgb' || color === 'rgba'
  if (isInColor && height * (length + 1) > LARGE_BYTES) return Promise.resolve(huffmanRows({ pixels, height, length, pixelBytes }))
  return new Promise((resolve, reject) => {
    deflate(filterRows(picture), { level: 1 }, (error, compressed) => {
      if (error) reject(error)
      else resolve(compressed)
    })
  })
}

/** tEXt for Latin-1, iTXt for everything else. */
function textChunk(keyword: string, text: string): Uint8Array {
  const key = Buffer.from(keyword, 'latin1')
  if (/^[\x20-\x7e\n]*$/.test(text)) return chunk('tEXt', Buffer.concat([key, Uint8Array.of(0), Buffer.from(text, 'latin1')]))
  // Keyword, no compression, no language, no translated keyword.
  return chunk('iTXt', Buffer.concat([key, Uint8Array.of(0, 0, 0, 0, 0), Buffer.from(text, 'utf8')]))
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const bytes = Buffer.alloc(12 + data.length)
  bytes.writeUInt32BE(data.length, 0)
  bytes.write(type, 4, 'latin1')
  bytes.set(data, 8)
  bytes.writeUInt32BE(crc32(bytes.subarray(4, 8 + data.length)), 8 + data.length)
  return bytes
}
