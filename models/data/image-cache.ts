/** Decoded images of a table, kept in a folder that the person named: one file a table and size, checked by its hash, never half there. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface DecodedImages {
  /** [image, height, width, channel] */
  readonly images: Uint8Array
  /** DICOM modalities met, sorted. */
  readonly modalities: readonly string[]
}

export interface ImageCache {
  /** null where nothing was kept, or what was kept is damaged. */
  read(key: string): DecodedImages | null
  write(key: string, decoded: DecodedImages): void
}

/** Keeps nothing. */
export const NO_CACHE: ImageCache = { read: () => null, write: () => {} }

const NEWLINE = 0x0a

/** A cache in a folder, which is made where it is missing. A file is one line of JSON (modalities, SHA-256 of the rest) and then the images. */
export function openImageCache(folder: string): ImageCache {
  const fileOf = (key: string): string => join(folder, `${key}.images`)
  return {
    read(key) {
      return existsSync(fileOf(key)) ? parse(new Uint8Array(readFileSync(fileOf(key)))) : null
    },
    write(key, { images, modalities }) {
      mkdirSync(folder, { recursive: true })
      const temporary = `${fileOf(key)}.${process.pid}.tmp`
      writeFileSync(temporary, Buffer.concat([Buffer.from(`${JSON.stringify({ modalities, sha256: sha256(images) })}\n`), images]), { mode: 0o600 })
      renameSync(temporary, fileOf(key))
    },
  }
}

function parse(bytes: Uint8Array): DecodedImages | null {
  const end = bytes.indexOf(NEWLINE)
  const images = bytes.subarray(end + 1)
  try {
    const { modalities, sha256: expected } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, end))) as { modalities: string[]; sha256: string }
    return Array.isArray(modalities) && sha256(images) === expected ? { images, modalities } : null
  } catch {
    return null // damaged: the images are decoded again
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
