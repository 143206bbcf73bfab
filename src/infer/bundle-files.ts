/** A bundle's folder in, its files' bytes and its checked manifest out. Files are read whole and are never opened by anyone else. */
import { lstat, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Manifest, parseManifest } from '../domain/manifest.ts'
import { Problem } from '../domain/problem.ts'
import { refuse } from './check-graph.ts'

export interface BundleFiles {
  readonly manifest: Manifest
  /** What a signature covers: the manifest as it lies on the disk; it holds the graphs' hashes. */
  readonly manifestBytes: Uint8Array
  readonly graph: Uint8Array
  readonly tail: Uint8Array | null
  /** The detached signature's file, where there is one. */
  readonly signature: Uint8Array | null
}

export const SIGNATURE_FILE = 'manifest.sig.json'
const LARGEST_MANIFEST = 4 << 20
const LARGEST_FILE = 1 << 30

/**
 * The files of one bundle.
 *
 * Throws: "manifest-invalid"; "bundle-refused" where a file is missing, is a link or a folder, or is too large.
 */
export async function readBundleFiles(folder: string): Promise<BundleFiles> {
  const manifestBytes = await readPlainFile(folder, 'manifest.json', LARGEST_MANIFEST)
  const manifest = parseManifest(parseJson(manifestBytes))
  return {
    manifest,
    manifestBytes,
    graph: await readPlainFile(folder, manifest.graph.file, LARGEST_FILE),
    tail: manifest.tail === null ? null : await readPlainFile(folder, manifest.tail.file, LARGEST_FILE),
    signature: await readIfPresent(folder, SIGNATURE_FILE),
  }
}

async function readIfPresent(folder: string, name: string): Promise<Uint8Array | null> {
  const there = await lstat(join(folder, name)).catch(() => null)
  return there === null ? null : readPlainFile(folder, name, LARGEST_MANIFEST)
}

/** A link would let a bundle name a file outside its folder, so only plain files count. */
async function readPlainFile(folder: string, name: string, largest: number): Promise<Uint8Array> {
  const file = join(folder, name)
  const status = await lstat(file).catch((cause: unknown) => {
    throw refuse('file-missing', `the bundle has no ${name}`, cause)
  })
  if (!status.isFile()) throw refuse('file-not-plain', `${name} is not a plain file`)
  if (status.size > largest) throw refuse('file-too-large', `${name} has ${status.size} bytes, at most ${largest} are taken`)
  return new Uint8Array(await readFile(file))
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new Problem('manifest-invalid', 'the manifest is no JSON text', {}, cause)
  }
}
