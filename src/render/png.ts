/** Pixels in, a PNG file out: our own writer, since a palette, text chunks and equal bytes are wanted (PNG specification, third edition). */
import { crc32, deflate } from 'node:zlib'

export interface PngText {
  /** 1 to 79 Latin-1 characters. */
  readonly keyword: string
  readonly text: string
}

export interface PngPicture {
  readonly width: number
  readonly height: number
  readonly color: 'gray' | 'rgb' | 'rgba' | 'indexed'
  /** [height, width, channel] bytes; indices into `palette` where indexed. */
  readonly pixels: Uint8Array
  /** [entry, 3], at most 256. */
  readonly palette?: Uint8Array
  /** Alpha of the first entries of the palette; the others are opaque. */
  readonly paletteAlpha?: Uint8Array
  readonly texts: readonly PngText[]
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)
const COLOR_TYPE = { gray: 0, rgb: 2, indexed: 3, rgba: 6 } as const
const CHANNELS = { gray: 1, rgb: 3, indexed: 1, rgba: 4 } as const
/** 4: gamma and primaries are sRGB with the perceptual intent. */
const SRGB_INTENT = Uint8Array.of(0)

/** A PNG with an sRGB chunk and the texts before the pixels. The same picture gives the same bytes. */
export async function encodePng(picture: PngPicture): Promise<Uint8Array> {
  const chunks = [SIGNATURE, chunk('IHDR', header(picture)), chunk('sRGB', SRGB_INTENT)]
  if (picture.palette !== undefined) chunks.push(chunk('PLTE', picture.palette))
  if (picture.paletteAlpha !== undefined) chunks.push(chunk('tRNS', picture.paletteAlpha))
  for (const { keyword, text } of picture.texts) chunks.push(textChunk(keyword, text))
  chunks.push(chunk('IDAT', await compress(filterRows(picture))), chunk('IEND', new Uint8Array(0)))
  return Buffer.concat(chunks)
}

function header({ width, height, color }: PngPicture): Uint8Array {
  const bytes = Buffer.alloc(13)
  bytes.writeUInt32BE(width, 0)
  bytes.writeUInt32BE(height, 4)
  bytes[8] = 8
  bytes[9] = COLOR_TYPE[color]
  return bytes
}

/** Every row with its filter in front: none for indices, which are no quantity, else the difference to the row above. */
function filterRows({ width, height, color, pixels }: PngPicture): Uint8Array {
  const length = width * CHANNELS[color]
  const out = new Uint8Array((length + 1) * height)
  const isUp = color !== 'indexed'
  for (let y = 0; y < height; y++) {
    const to = y * (length + 1) + 1
    const from = y * length
    if (!isUp || y === 0) {
      out.set(pixels.subarray(from, from + length), to)
      continue
    }
    out[to - 1] = 2
    for (let i = 0; i < length; i++) out[to + i] = (pixels[from + i] ?? 0) - (pixels[from + i - length] ?? 0)
  }
  return out
}

/** Level 1: a picture is made for one look, and the time counts more than its size. */
function compress(bytes: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    deflate(bytes, { level: 1 }, (error, compressed) => {
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
