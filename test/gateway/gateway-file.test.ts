import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readGatewayFile } from '../../src/gateway/gateway-file.ts'

describe('readGatewayFile', () => {
  let folder: string
  let count = 0

  const fileOf = (content: unknown): string => {
    const path = join(folder, `gateway-${count++}.json`)
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
    return path
  }
  const web = { kind: 'dicomweb', name: 'pacs', url: 'https://pacs.example/dicom-web' }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'attending-gateway-'))
    writeFileSync(join(folder, 'rules.json'), JSON.stringify({ version: 1, rules: [{ name: 'all', when: {}, action: { model: 'm', destinations: ['pacs'] } }] }))
    writeFileSync(join(folder, 'none.json'), JSON.stringify({ version: 1, rules: [] }))
    writeFileSync(join(folder, 'password'), 'secret\n')
    writeFileSync(join(folder, 'key.pem'), 'KEY')
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('fills in what is not said, and reads the files that it names', async () => {
    const path = fileOf({
      version: 1,
      rulesFile: 'rules.json',
      dimse: { peers: [{ aeTitle: 'CT1' }] },
      watch: [{ name: 'inbox', folder: 'in' }],
      archives: [
        { ...web, authentication: { kind: 'basic', user: 'u', passwordFile: 'password' }, tls: { keyFile: 'key.pem' } },
        { kind: 'dimse', name: 'old', host: '10.0.0.1', port: 104, aeTitle: 'OLD PACS', retrieveBy: 'get', delivery: { retryLimit: 3 } },
      ],
      worklists: [
        { name: 'ai', archive: 'pacs', label: 'attending', inputArchive: 'old', model: 'm', destinations: ['old'] },
        { name: 'dcm4chee', archive: 'pacs', label: 'attending', dialect: 'dcm4chee' },
      ],
    })
    expect(await readGatewayFile(path, ['m'])).toEqual({
      aeTitle: 'ATTENDING',
      rules: expect.objectContaining({ version: 1 }),
      dimse: { host: '127.0.0.1', port: 11_112, peers: [{ aeTitle: 'CT1', addresses: [] }], tls: null, maxAssociations: 16, idleTimeoutMs: 30_000 },
      watch: [{ name: 'inbox', folder: join(folder, 'in'), pollMs: 2000 }],
      archives: [
        {
          kind: 'dicomweb',
          name: 'pacs',
          url: 'https://pacs.example/dicom-web',
          authentication: { kind: 'basic', user: 'u', password: 'secret' },
          tls: { key: 'KEY' },
          timeoutMs: 60_000,
        },
        { kind: 'dimse', name: 'old', host: '10.0.0.1', port: 104, calledAeTitle: 'OLD PACS', callingAeTitle: 'ATTENDING', retrieveBy: 'get', tls: null, timeoutMs: 60_000 },
      ],
      destinations: [
        { name: 'pacs', concurrency: 2, retry: { limit: 20, delaySeconds: 2, maxDelaySeconds: 900 } },
        { name: 'old', concurrency: 2, retry: { limit: 3, delaySeconds: 2, maxDelaySeconds: 900 } },
      ],
      worklists: [
        {
          name: 'ai',
          peer: expect.objectContaining({ kind: 'dicomweb', name: 'pacs' }),
          label: 'attending',
          pollMs: 5000,
          inputArchive: 'old',
          modelId: 'm',
          destinations: ['old'],
        },
        {
          name: 'dcm4chee',
          peer: expect.objectContaining({ name: 'pacs', requester: 'ATTENDING' }),
          label: 'attending',
          pollMs: 5000,
          inputArchive: 'pacs',
          modelId: null,
          destinations: null,
        },
      ],
      maxQueued: 10_000,
      maxObjectBytes: 64 * 1024 * 1024,
      retentionMs: 604_800_000,
    })
  })

  it.each([
    ['no JSON', '{', 'is no JSON document'],
    ['a misspelt setting', { version: 1, rulesFile: 'none.json', archive: [] }, 'at its top'],
    ['no rules', { version: 1 }, 'at rulesFile'],
    ['an address that is none', { version: 1, rulesFile: 'none.json', archives: [{ ...web, url: 'file:///etc/passwd' }] }, 'at archives.0.url'],
    ['a title that is none', { version: 1, rulesFile: 'none.json', dimse: { peers: [{ aeTitle: 'SEVENTEEN LETTERS' }] } }, 'at dimse.peers.0.aeTitle'],
    ['a receiver that anybody may send to', { version: 1, rulesFile: 'none.json', dimse: { peers: [] } }, 'at dimse.peers'],
    [
      'a delivery that waits for nothing between its attempts',
      { version: 1, rulesFile: 'none.json', archives: [{ ...web, delivery: { retryDelaySeconds: 0 } }] },
      'at archives.0.delivery.retryDelaySeconds: must be at least 1',
    ],
    ['two archives of one name', { version: 1, rulesFile: 'none.json', archives: [web, web] }, 'two archives'],
    [
      'a secret that is not there',
      { version: 1, rulesFile: 'none.json', archives: [{ ...web, authentication: { kind: 'bearer', accessTokenFile: 'absent' } }] },
      'a secret cannot be read',
    ],
    ['a worklist at no archive', { version: 1, rulesFile: 'none.json', worklists: [{ name: 'ai', archive: 'pacs', label: 'a' }] }, 'at worklists.0.archive'],
    [
      'a worklist at an archive without DICOMweb',
      {
        version: 1,
        rulesFile: 'none.json',
        archives: [{ kind: 'dimse', name: 'old', host: 'h', port: 104, aeTitle: 'A' }],
        worklists: [{ name: 'ai', archive: 'old', label: 'a' }],
      },
      'asked by DICOMweb',
    ],
    [
      'a worklist with an unknown model',
      { version: 1, rulesFile: 'none.json', archives: [web], worklists: [{ name: 'ai', archive: 'pacs', label: 'a', model: 'x' }] },
      'at worklists.0.model',
    ],
    ['rules with an unknown destination', { version: 1, rulesFile: 'rules.json' }, 'names a destination'],
  ])('refuses %s and says where', async (_name, content, place) => {
    await expect(readGatewayFile(fileOf(content), ['m'])).rejects.toMatchObject({ code: 'settings-invalid', message: expect.stringContaining(place) })
  })
})
