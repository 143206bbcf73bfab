/** The exporter's commands as a person runs them: a checkpoint's file in, a signed and verified bundle out. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadBundle } from '../../src/infer/load-bundle.ts'
import { goldenCheckpointFile } from './support/golden-checkpoint.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'attending-export-'))
const at = (name: string): string => join(folder, name)
const run = (script: string, ...args: string[]) => spawnSync(process.execPath, [join(root, 'export', script), ...args], { encoding: 'utf8', cwd: folder })
const bundle = at('out/dcmm-vit-golden-patch4-16.synthetic-v1')
const exportArgs = (): string[] => [at('model.safetensors'), '--date', '2026-01-01', '--out', at('out')]

beforeAll(() => {
  writeFileSync(at('model.safetensors'), goldenCheckpointFile('dcmm'))
})
afterAll(() => rmSync(folder, { recursive: true }))

describe('npm run export, verify and sign', () => {
  it('export a checkpoint, verify the bundle with and without the weights, sign it, and load it by its key', async () => {
    const exported = run('to-onnx.ts', ...exportArgs())
    expect(exported.stderr).toBe('')
    expect(exported.stdout).toMatch(/^stage +values +largest difference +of the bound/)
    expect(exported.stdout.trim().endsWith(bundle)).toBe(true)
    const manifest = readFileSync(join(bundle, 'manifest.json'))

    const verified = run('verify.ts', bundle, '--checkpoint', at('model.safetensors'))
    expect(verified.status, verified.stderr).toBe(0)
    expect(verified.stdout).toContain('onnxruntime-web')
    expect(verified.stdout.trim().endsWith('every stage is within its bound')).toBe(true)

    const { verifications } = JSON.parse(run('verify.ts', bundle, '--json').stdout)
    expect(verifications).toHaveLength(4)

    const key = run('sign.ts', '--new-key', at('key.pem'))
    expect(run('sign.ts', bundle, '--key', at('key.pem')).stdout).toContain(key.stdout.trim())
    const trusted = await loadBundle(bundle, { trustedKeys: [key.stdout.trim()] })
    expect(trusted.manifest.createdAt).toBe('2026-01-01T00:00:00Z')
    await trusted.release()

    const again = run('to-onnx.ts', ...exportArgs())
    expect([again.status, again.stderr]).toEqual([1, expect.stringContaining('exists already')])
    expect(existsSync(join(bundle, 'manifest.sig.json'))).toBe(true) // a bundle that exists is left alone
    expect(run('to-onnx.ts', ...exportArgs(), '--replace').status).toBe(0)
    expect(readFileSync(join(bundle, 'manifest.json'))).toEqual(manifest)
    expect(existsSync(join(bundle, 'manifest.sig.json'))).toBe(false) // a new bundle takes the whole folder's place
    expect(existsSync(`${bundle}.unfinished`)).toBe(false)
  }, 240_000)

  const refused: [string, string, () => string[], string][] = [
    ['to-onnx.ts', 'a date that is none', () => [at('model.safetensors'), '--date', 'today'], 'parameter-invalid'],
    ['to-onnx.ts', 'no such file', () => [at('nothing'), '--date', '2026-01-01'], 'file-unreadable'],
    ['verify.ts', 'weights of another network', () => [bundle, '--checkpoint', at('other.safetensors')], 'parameter-invalid'],
    ['sign.ts', 'a key that is none', () => [bundle, '--key', at('model.safetensors')], 'parameter-invalid'],
  ]
  it.each(refused)('%s exits 1 on %s, in one line', (script, _, args, code) => {
    if (args().includes(at('other.safetensors'))) writeFileSync(at('other.safetensors'), goldenCheckpointFile('vit'))
    const { status, stderr, stdout } = run(script, ...args())
    expect(status).toBe(1)
    expect(stderr).toContain(`(${code})`)
    expect(stderr.trim().split('\n')).toHaveLength(1)
    expect(stdout).toBe('')
  })
})
