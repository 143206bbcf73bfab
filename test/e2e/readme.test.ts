import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseManifest } from '../../src/domain/manifest.ts'
import { type RunningServer, startServer } from './support/start-server.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
const scripts = (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts
const hasCurl = spawnSync('curl', ['--version']).error === undefined

/** The shell commands of one section, one text a block. */
const blocksOf = (heading: string): string[] => {
  const section = readme.split(/^## /m).find((part) => part.startsWith(heading)) ?? ''
  return [...section.matchAll(/^```sh\n([^`]*)^```/gm)].map(([, block]) => block ?? '')
}

describe('the first page of the README', () => {
  let folder: string
  let server: RunningServer
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'attending-readme-'))
    server = await startServer({ ATTENDING_ENGINES: '1', ATTENDING_DATA_DIR: join(folder, 'data') })
  })
  afterAll(async () => {
    await server.stop()
    rmSync(folder, { recursive: true })
  })

  it.skipIf(!hasCurl)('takes a newcomer from nothing to an overlay of the size of the image (needs curl)', () => {
    const [start, ...rest] = blocksOf('From nothing to an overlay')
    expect(start).toBe('npm start\n')
    expect(rest).toHaveLength(3)
    const commands = rest
      .join('')
      .replaceAll('http://127.0.0.1:8080', server.url)
      .replaceAll(/(?<!\/)\b(chest\.dcm|answer\.json|communities\.png)\b/g, join(folder, '$1'))
    const { status, stderr } = spawnSync('bash', ['--norc', '-euo', 'pipefail', '-c', commands], { cwd: ROOT, encoding: 'utf8' })
    expect({ status, stderr: stderr.replaceAll(/^npm notice.*\n?/gm, '') }).toEqual({ status: 0, stderr: '' })
    const picture = readFileSync(join(folder, 'communities.png'))
    // Rows and columns of the phantom that the page makes.
    expect([picture.readUInt32BE(20), picture.readUInt32BE(16)]).toEqual([640, 560])
  })

  it('names no command that does not exist', () => {
    const named = [...readme.matchAll(/npm (?:run )?([a-z-]+)/g)].map(([, name]) => name ?? '').filter((name) => name !== 'ci')
    expect(named.length).toBeGreaterThan(10)
    expect([...new Set(named)].filter((name) => !(name in scripts))).toEqual([])
    const missing = Object.values(scripts)
      .flatMap((command) => [...command.matchAll(/ ((?:src|models|export|test)\/\S+\.ts)/g)].map(([, file]) => file ?? ''))
      .filter((file) => !existsSync(join(ROOT, file)))
    expect(missing).toEqual([])
  })

  it('links to nothing that is not there', () => {
    const links = [...readme.matchAll(/\]\((?!http)([^)#]+)/g)].map(([, target]) => target ?? '')
    expect(links.length).toBeGreaterThan(8)
    expect(links.filter((target) => !existsSync(join(ROOT, target)))).toEqual([])
  })

  it('states of each released model what its manifest states', () => {
    const rows = [...readme.matchAll(/^\| `(\S+)` \|.*\| (\d\.\d{3}) \(.*\| (\d\.\d{3}) \(.*\|$/gm)]
    expect(rows.length).toBeGreaterThan(0)
    for (const [, id = '', auc, accuracy] of rows) {
      const manifest = parseManifest(JSON.parse(readFileSync(join(ROOT, 'models/released', id, 'manifest.json'), 'utf8')))
      const test = manifest.metrics.find(({ split }) => split === 'test')
      expect([id, test?.auc.toFixed(3), test?.accuracy.toFixed(3)]).toEqual([id, auc, accuracy])
    }
  })
})
