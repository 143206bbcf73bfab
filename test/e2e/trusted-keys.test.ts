import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failToStart, startServer } from './support/start-server.ts'
import { writeTinyBundles } from './support/write-tiny-bundle.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** What the command prints. */
const sign = (...args: string[]): string => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'export/sign.ts'), ...args], { cwd: ROOT, encoding: 'utf8' })
  expect(status, stderr).toBe(0)
  return stdout
}

describe('a server with trusted keys', () => {
  let folder: string
  let settings: Record<string, string>
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'attending-trust-'))
    writeTinyBundles(join(folder, 'models'))
    const key = sign('--new-key', join(folder, 'private.pem')).trim()
    settings = { ATTENDING_TRUSTED_KEYS: key, ATTENDING_MODELS_DIR: join(folder, 'models'), ATTENDING_DATA_DIR: join(folder, 'data'), ATTENDING_ENGINES: '1' }
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it('does not start over an unsigned bundle, and starts once each is signed by the key', async () => {
    const refused = await failToStart(settings)
    expect(refused.code).toBe(1)
    expect(refused.output).toMatch(/bundle-refused: .*signature/)
    for (const id of readdirSync(join(folder, 'models'))) sign(join(folder, 'models', id), '--key', join(folder, 'private.pem'))
    const server = await startServer(settings)
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
    expect(await server.stop()).toBe(0)
  })

  it('does not start over signed bundles with a key that is none', async () => {
    const { code, output } = await failToStart({ ...settings, ATTENDING_TRUSTED_KEYS: 'bm8ga2V5' })
    expect(code).toBe(1)
    expect(output).toMatch(/settings-invalid: a trusted key is no public key/)
  })
})
