import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { BundleFiles } from '../../src/infer/bundle-files.ts'
import { openBundle } from '../../src/infer/load-bundle.ts'
import { loadGolden } from '../models/support/golden.ts'
import { goldenBundle, withManifest } from '../support/golden-bundle.ts'

const files = goldenBundle(loadGolden('vit'))
const ours = generateKeyPairSync('ed25519')
const theirs = generateKeyPairSync('ed25519')
const line = (key: typeof ours.publicKey): string => key.export({ type: 'spki', format: 'der' }).toString('base64')
const signed = (bundle: BundleFiles, key = ours.privateKey): BundleFiles => {
  const signature = sign(null, bundle.manifestBytes, key).toString('base64')
  return { ...bundle, signature: new TextEncoder().encode(JSON.stringify({ algorithm: 'ed25519', signature })) }
}

describe('a signed bundle', () => {
  it('opens where one of the trusted keys signed it, given as PEM or as one line', async () => {
    for (const key of [line(ours.publicKey), ours.publicKey.export({ type: 'spki', format: 'pem' }).toString()]) {
      const bundle = await openBundle(signed(files), { trustedKeys: [line(theirs.publicKey), key] })
      expect(bundle.manifest.id).toBe(files.manifest.id)
      await bundle.release()
    }
  })

  it('opens without trusted keys too, as an unsigned one does', async () => {
    for (const bundle of [await openBundle(signed(files)), await openBundle(files, { trustedKeys: [] })]) await bundle.release()
  })

  const refused: [string, BundleFiles, string][] = [
    ['carries no signature', files, 'signature-missing'],
    ['was signed by another key', signed(files, theirs.privateKey), 'signature-invalid'],
    ['was changed after it was signed', { ...signed(files), manifestBytes: withManifest(files, { ...files.manifest, version: '9.9.9' }).manifestBytes }, 'signature-invalid'],
    ['has a signature that is no JSON', { ...files, signature: new TextEncoder().encode('{') }, 'signature-invalid'],
    ['has a signature of another kind', { ...files, signature: new TextEncoder().encode('{"algorithm":"none","signature":""}') }, 'signature-invalid'],
    ['has a signature without its bytes', { ...files, signature: new TextEncoder().encode('{"algorithm":"ed25519"}') }, 'signature-invalid'],
  ]
  it.each(refused)('is refused where it %s', async (_, bundle, reason) => {
    await expect(openBundle(bundle, { trustedKeys: [line(ours.publicKey)] })).rejects.toMatchObject({ code: 'bundle-refused', facts: { reason } })
  })

  it('cannot be judged by a key that is none, and says which setting is wrong', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
    for (const key of ['nonsense', rsa.export({ type: 'spki', format: 'pem' }).toString()]) {
      await expect(openBundle(signed(files), { trustedKeys: [key] })).rejects.toMatchObject({ code: 'settings-invalid', facts: { setting: 'ATTENDING_TRUSTED_KEYS' } })
    }
  })
})
