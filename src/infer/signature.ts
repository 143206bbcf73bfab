/** A bundle's manifest and its detached ed25519 signature in, nothing out: an untrusted bundle throws. Source: RFC 8032, through node:crypto. */
import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { Problem } from '../domain/problem.ts'
import type { BundleFiles } from './bundle-files.ts'
import { refuse } from './check-graph.ts'

/**
 * Passes where one of the keys signed the manifest; the manifest's hashes carry the trust on to the graphs.
 *
 * Throws: "bundle-refused" ("signature-missing", "signature-invalid"); "settings-invalid" for a key that is none.
 */
export function checkSignature(files: BundleFiles, trustedKeys: readonly string[]): void {
  if (files.signature === null) throw refuse('signature-missing', 'the bundle carries no signature, and only signed ones are trusted here')
  const signature = readSignature(files.signature)
  const keys = trustedKeys.map(readPublicKey)
  if (!keys.some((key) => verify(null, files.manifestBytes, key, signature))) throw refuse('signature-invalid', "no trusted key made the bundle's signature")
}

function readSignature(bytes: Uint8Array): Buffer {
  const parsed = parseJson(bytes)
  if (typeof parsed !== 'object' || parsed === null || !('algorithm' in parsed) || !('signature' in parsed)) throw refuse('signature-invalid', 'the signature file lacks a field')
  if (parsed.algorithm !== 'ed25519' || typeof parsed.signature !== 'string') throw refuse('signature-invalid', 'the signature is not ed25519')
  return Buffer.from(parsed.signature, 'base64')
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch (cause) {
    throw refuse('signature-invalid', 'the signature file is no JSON text', cause)
  }
}

/** A public key from PEM, or from the base64 of its SPKI (one line of a settings file). */
export function readPublicKey(text: string): KeyObject {
  try {
    const key = text.includes('-----BEGIN') ? createPublicKey(text) : createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch (cause) {
    throw new Problem('settings-invalid', 'a trusted key is no public key', { setting: 'ATTENDING_TRUSTED_KEYS' }, cause)
  }
  throw new Problem('settings-invalid', 'a trusted key is not an ed25519 key', { setting: 'ATTENDING_TRUSTED_KEYS' })
}
