import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'attending-demo-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

const run = (...args: readonly string[]): { readonly status: number | null; readonly out: string; readonly err: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  return { status, out: stdout, err: stderr }
}

describe('the first command that a newcomer tries', () => {
  it('npm run demo: finds a model for the phantom among the released ones, and writes its overlays', () => {
    const out = join(folder, 'demo')
    const { status, out: printed } = run('src/demo/run.ts', '--out', out)
    expect(status).toBe(0)
    expect(printed).toContain('dcmm-vit-tiny-patch4-28.pneumonia-pretrained-v1')
    expect(readdirSync(out)).toEqual(expect.arrayContaining(['panel.png', 'communities.png', 'evidence.png']))
  })

  it('npm run predict -- FILE: the same without a server, and no model at random for a picture that does not say what it shows', () => {
    const film = join(folder, 'film.dcm')
    writeFileSync(film, buildChestPhantom({ rows: 64, columns: 64, seed: 1, opacity: 0.5 }))
    expect(run('src/predict.ts', film)).toMatchObject({ status: 0, out: expect.stringContaining('dcmm-vit-tiny-patch4-28.pneumonia-pretrained-v1') })
    const picture = join(folder, 'picture.png')
    writeFileSync(picture, readFileSync(join(root, 'docs/pictures/1-attention.png')))
    expect(run('src/predict.ts', picture)).toMatchObject({ status: 1, err: expect.stringContaining('choose a model with --model; there are') })
  })
})
