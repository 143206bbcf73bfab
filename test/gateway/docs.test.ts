import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { FINAL_JOB_STATES } from '../../src/domain/job.ts'
import { readGatewayFile } from '../../src/gateway/gateway-file.ts'

const page = readFileSync(resolve(import.meta.dirname, '../../docs/pacs.md'), 'utf8')
const [gateway = '', rules = ''] = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text]) => text ?? '')

describe('docs/pacs.md', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'attending-docs-'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('shows a gateway file and a rules file that are valid together', async () => {
    writeFileSync(join(folder, 'gateway.json'), gateway)
    writeFileSync(join(folder, 'rules.json'), rules)
    const settings = await readGatewayFile(join(folder, 'gateway.json'), ['dcmm-vit-small-patch16-224.cxr-v1'])
    expect(settings.archives.map(({ name }) => name)).toEqual(['orthanc', 'old-pacs'])
    expect(settings.rules.rules).toHaveLength(2)
  })

  it('names every state of a job', () => {
    const named = [...page.matchAll(/^\| `([a-z]+)` \| /gm)].map(([, state]) => state)
    for (const state of ['queued', 'running', 'delivering', ...FINAL_JOB_STATES]) expect(named).toContain(state)
  })
})
