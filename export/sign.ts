/** `npm run sign`: a bundle and a private ed25519 key in, the detached signature of its manifest out. Source: RFC 8032, through node:crypto. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { invalid, parseCommand, runCommand } from '../models/command.ts'
import { Problem } from '../src/domain/problem.ts'
import { readBundleFiles, SIGNATURE_FILE } from '../src/infer/bundle-files.ts'
import { openBundle } from '../src/infer/load-bundle.ts'
import { readFile } from './command.ts'

const HELP = `npm run sign -- <bundle's folder> --key <private.pem>
npm run sign -- --new-key <private.pem>

Signs a bundle: the signature covers manifest.json, whose hashes cover the graphs. The bundle is loaded first; one that does not
load is not signed. A server with ATTENDING_TRUSTED_KEYS takes only bundles that one of those keys signed.

  --key FILE      the private key, PEM (PKCS 8), ed25519
  --new-key FILE  makes a private key, writes it there and prints the line for ATTENDING_TRUSTED_KEYS
  --help          this text
`

process.exitCode = await runCommand(signCommand, process.argv.slice(2))

async function signCommand(args: readonly string[]): Promise<string> {
  const { values, positionals } = parseCommand(args, { key: { type: 'string' }, 'new-key': { type: 'string' }, help: { type: 'boolean' } })
  const [folder, ...more] = positionals
  if (values.help || args.length === 0) return HELP
  if (values['new-key'] !== undefined) return makeKey(values['new-key'])
  if (folder === undefined || more.length > 0) throw invalid('bundle', "one bundle's folder is needed")
  if (values.key === undefined) throw invalid('key', 'the private key is missing: --key FILE')
  return signBundle(folder, readPrivateKey(readFile(values.key, 'private key')))
}

async function signBundle(folder: string, key: KeyObject): Promise<string> {
  const files = await readBundleFiles(folder)
  await (await openBundle(files)).release()
  const signature = sign(null, files.manifestBytes, key).toString('base64')
  await writeFile(join(folder, SIGNATURE_FILE), `${JSON.stringify({ algorithm: 'ed25519', signature })}\n`)
  return `signed ${files.manifest.id}; trusted by ATTENDING_TRUSTED_KEYS=${publicLine(createPublicKey(key))}\n`
}

async function makeKey(file: string): Promise<string> {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600, flag: 'wx' }).catch((cause: unknown) => {
    throw new Problem('file-unreadable', 'the key file cannot be written, or exists already', {}, cause)
  })
  return `${publicLine(publicKey)}\n`
}

function readPrivateKey(bytes: Uint8Array): KeyObject {
  try {
    const key = createPrivateKey(new TextDecoder().decode(bytes))
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch (cause) {
    throw invalid('key', 'the file holds no private key', cause)
  }
  throw invalid('key', 'the key is not an ed25519 key')
}

/** The SPKI in base64: one line of a setting. */
function publicLine(key: KeyObject): string {
  return key.export({ type: 'spki', format: 'der' }).toString('base64')
}
