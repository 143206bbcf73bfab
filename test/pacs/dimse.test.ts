import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ResultObject } from '../../src/domain/job.ts'
import { Problem } from '../../src/domain/problem.ts'
import { type DimseScp, openDimseScp } from '../../src/pacs/dimse-scp.ts'
import type { DimseScpSettings, ReceivedInstance } from '../../src/pacs/dimse-scp-settings.ts'
import { echo, findByDimse, moveByDimse, storeByDimse } from '../../src/pacs/dimse-scu.ts'
import type { DimsePeer, PeerTls } from '../../src/pacs/peers.ts'
import { readFileMeta } from '../../src/pacs/read-file-meta.ts'
import { corpusFile, hasCorpus } from '../support/corpus.ts'
import { hasDcmtk } from '../support/dicom-tools.ts'
import { freePort } from '../support/free-port.ts'
import { hasOrthanc, type Orthanc, startOrthanc } from '../support/orthanc.ts'
import { syntheticDataset, syntheticFile } from './support/synthetic-files.ts'

const CR = '1.2.840.10008.5.1.4.1.1.1'
const run = promisify(execFile)
const env = { PATH: process.env['PATH'], DCMDICTPATH: process.env['DCMDICTPATH'] ?? '/usr/share/libdcmtk17/dicom.dic' }
const tool = (name: string, ...args: readonly string[]): Promise<{ stdout: string; stderr: string }> => run(name, args, { env })
/** What a tool printed, whether it failed or not. */
const said = async (name: string, ...args: readonly string[]): Promise<string> => {
  const { stdout, stderr } = await tool(name, ...args).catch((error: { stdout: string; stderr: string }) => error)
  return stdout + stderr
}
const datasetOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes).subarray(readFileMeta(bytes).datasetOffset)
const object = (sopInstanceUid: string): ResultObject => ({
  kind: 'sc',
  studyInstanceUid: '1.2.8',
  seriesInstanceUid: '1.2.9',
  sopClassUid: CR,
  sopInstanceUid,
  bytes: syntheticFile(CR, sopInstanceUid),
})

let folder: string
let scps: DimseScp[] = []
let received: ReceivedInstance[] = []
let children: ChildProcess[] = []

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'attending-dimse-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))
afterEach(async () => {
  await Promise.all(scps.map((scp) => scp.close(0)))
  for (const child of children) child.kill('SIGKILL')
  scps = []
  received = []
  children = []
})

async function open(settings: Partial<DimseScpSettings> = {}): Promise<DimseScp> {
  const scp = await openDimseScp({
    host: '127.0.0.1',
    port: 0,
    aeTitle: 'ATTENDING',
    peers: [
      { aeTitle: 'STORESCU', addresses: ['127.0.0.1'] },
      { aeTitle: 'ECHOSCU', addresses: [] },
      { aeTitle: 'ORTHANC', addresses: [] },
    ],
    tls: null,
    maxAssociations: 4,
    maxObjectBytes: 32 << 20,
    idleTimeoutMs: 20_000,
    accept: async (instance) => void received.push(instance),
    ...settings,
  })
  scps.push(scp)
  return scp
}

const peerAt = (port: number, fields: Partial<DimsePeer> = {}): DimsePeer => ({
  kind: 'dimse',
  name: 'archive',
  host: '127.0.0.1',
  port,
  calledAeTitle: 'ATTENDING',
  callingAeTitle: 'STORESCU',
  tls: null,
  timeoutMs: 10_000,
  ...fields,
})

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}

describe.skipIf(!hasDcmtk)(`the DIMSE receiver${hasDcmtk ? '' : " (needs Debian's dcmtk)"}`, () => {
  it('answers the echo of dcmtk', async () => {
    const { port } = await open()
    const { stdout, stderr } = await tool('echoscu', '-v', '-aec', 'ATTENDING', '127.0.0.1', String(port))
    expect(stdout + stderr).toContain('Received Echo Response (Success)')
  })

  it('receives what dcmtk stores, byte for byte, with its private element', async () => {
    const { port } = await open()
    await tool('storescu', '-xe', '-aec', 'ATTENDING', '127.0.0.1', String(port), file('a.dcm', syntheticFile(CR, '1.2.3')), file('b.dcm', syntheticFile(CR, '1.2.4')))
    expect(received.map(({ bytes, callingAeTitle, moveOriginator }) => ({ ...readFileMeta(bytes), callingAeTitle, moveOriginator }))).toMatchObject(
      ['1.2.3', '1.2.4'].map((sopInstanceUid) => ({ sopClassUid: CR, sopInstanceUid, transferSyntaxUid: '1.2.840.10008.1.2.1', callingAeTitle: 'STORESCU', moveOriginator: null })),
    )
    expect(received.map(({ bytes }) => datasetOf(bytes))).toEqual([syntheticDataset(CR, '1.2.3'), syntheticDataset(CR, '1.2.4')])
    // dcmtk as a second reader of the head that we wrote.
    const { stdout } = await tool('dcmdump', file('received.dcm', received[0]!.bytes))
    expect(stdout).toContain('(0002,0016) AE [STORESCU]')
    expect(stdout).toContain('(0009,1001) LO [a private element]')
  })

  it.skipIf(!hasCorpus)('keeps the private elements of a real CT as they are (needs the corpus)', async () => {
    const { port } = await open()
    const source = corpusFile('ct_small_evle.dcm')
    await tool('storescu', '-xe', '-aec', 'ATTENDING', '127.0.0.1', String(port), source)
    const tags = async (path: string): Promise<string[]> => (await tool('dcmdump', '+L', path)).stdout.split('\n').filter((line) => /^\((?!0002)/.test(line))
    // storescu itself drops nothing but a data set trailing padding.
    expect((await tags(file('ct.dcm', received[0]!.bytes))).filter((line) => !line.startsWith('(fffc,fffc)'))).toEqual(
      (await tags(source)).filter((line) => !line.startsWith('(fffc,fffc)')),
    )
  })

  it('refuses a wrong title, an unknown peer and an address that is not its own, each with its reason', async () => {
    const { port } = await open({
      peers: [
        { aeTitle: 'KNOWN', addresses: [] },
        { aeTitle: 'ELSEWHERE', addresses: ['192.0.2.1'] },
      ],
    })
    const calls = (calling: string, called: string): Promise<string> => said('echoscu', '-aet', calling, '-aec', called, '127.0.0.1', String(port))
    expect(await calls('KNOWN', 'WRONG')).toContain('Called AE Title Not Recognized')
    expect(await calls('STRANGER', 'ATTENDING')).toContain('Calling AE Title Not Recognized')
    expect(await calls('ELSEWHERE', 'ATTENDING')).toContain('Calling AE Title Not Recognized')
    expect(await calls('KNOWN', 'ATTENDING')).toBe('')
  })

  it('accepts no SOP class that is no image', async () => {
    const { port } = await open()
    const sr = file('sr.dcm', syntheticFile('1.2.840.10008.5.1.4.1.1.88.33', '1.2.3'))
    expect(await said('storescu', '-xe', '-aec', 'ATTENDING', '127.0.0.1', String(port), sr)).toContain('No presentation context for: (SRc)')
  })

  it.each([
    ['A700 where the queue is full', new Problem('overloaded', 'full', { retryAfterSeconds: 1 }), 'A700|OutOfResources'],
    ['0110 where it failed', new Error('disk'), 'Unknown Status: 0x110'],
  ])('answers %s, and stores the next', async (_name, error, status) => {
    const { port } = await open({
      accept: async (instance) => {
        received.push(instance)
        if (received.length === 1) throw error
      },
    })
    const output = await said(
      'storescu',
      '-xe',
      '-v',
      '-nh',
      '-aec',
      'ATTENDING',
      '127.0.0.1',
      String(port),
      file('a.dcm', syntheticFile(CR, '1.2.3')),
      file('b.dcm', syntheticFile(CR, '1.2.4')),
    )
    expect(output).toMatch(new RegExp(status))
    expect(received).toHaveLength(2)
  })

  it('answers A700 to an object above the limit, and keeps none of it', async () => {
    const { port } = await open({ maxObjectBytes: 200 })
    const output = await said('storescu', '-xe', '-v', '-aec', 'ATTENDING', '127.0.0.1', String(port), file('a.dcm', syntheticFile(CR, '1.2.3')))
    expect(output).toMatch(/A700|OutOfResources/)
    expect(received).toEqual([])
  })

  it('refuses the association above the limit as one that may be tried again', async () => {
    const { port } = await open({ maxAssociations: 1 })
    const idle = connect(port, '127.0.0.1')
    await new Promise((resolve) => idle.once('connect', resolve))
    await expect.poll(() => said('echoscu', '-aec', 'ATTENDING', '127.0.0.1', String(port))).toMatch(/Local Limit Exceeded/i)
    idle.destroy()
    await expect.poll(() => said('echoscu', '-aec', 'ATTENDING', '127.0.0.1', String(port))).toBe('')
  })

  it('acknowledges the instance under way before it closes', async () => {
    let release = (): void => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const scp = await open({
      accept: async (instance) => {
        received.push(instance)
        await held
      },
    })
    const sent = tool('storescu', '-xe', '-aec', 'ATTENDING', '127.0.0.1', String(scp.port), file('a.dcm', syntheticFile(CR, '1.2.3'))).catch(
      (error: { code: number; stderr: string }) => error.stderr,
    )
    await expect.poll(() => received.length).toBe(1)
    const closed = scp.close(10_000)
    release()
    await closed
    // The store was answered; the connection then ended before the release.
    expect(String((await sent) as unknown)).not.toMatch(/Store Failed/)
  })

  it('outlives hostile bytes and serves the next peer', async () => {
    const { port } = await open({ idleTimeoutMs: 1000 })
    let seed = 7
    const random = (): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
      return seed / 2 ** 32
    }
    const association = Buffer.from('010000000000', 'hex')
    for (let round = 0; round < 60; round++) {
      const body = Buffer.from(Array.from({ length: Math.floor(random() * 400) }, () => Math.floor(random() * 256)))
      const header = Buffer.from(association)
      header.writeUInt8(1 + Math.floor(random() * 8), 0)
      header.writeUInt32BE(random() < 0.2 ? 0xfffffff0 : body.length, 2)
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.resume()
      socket.end(Buffer.concat([header, body]))
      await new Promise((resolve) => socket.once('close', resolve))
    }
    expect(await said('echoscu', '-aec', 'ATTENDING', '127.0.0.1', String(port))).toBe('')
  })

  it('ends a connection that sends no association, so that it holds no place', async () => {
    const scp = await open({ idleTimeoutMs: 300 })
    const socket = connect(scp.port, '127.0.0.1')
    socket.on('error', () => {})
    await new Promise((resolve) => socket.once('connect', resolve))
    const drip = setInterval(() => socket.write(Buffer.from([1])), 50)
    await new Promise((resolve) => socket.once('close', resolve))
    clearInterval(drip)
    await expect.poll(() => scp.associations()).toBe(0)
  })
})

describe.skipIf(!hasDcmtk)(`the DIMSE sender${hasDcmtk ? '' : " (needs Debian's dcmtk)"}`, () => {
  async function storescp(...options: readonly string[]): Promise<{ peer: DimsePeer; output: string }> {
    const output = mkdtempSync(join(folder, 'scp-'))
    const port = await freePort()
    children.push(spawn('storescp', [...options, '-od', output, '-aet', 'ARCHIVE', String(port)], { env, stdio: 'ignore' }))
    const peer = peerAt(port, { calledAeTitle: 'ARCHIVE', callingAeTitle: 'ATTENDING' })
    await expect
      .poll(
        () =>
          echo(peer).then(
            () => 'up',
            () => 'down',
          ),
        { timeout: 10_000 },
      )
      .toBe('up')
    return { peer, output }
  }

  it('echoes, and stores objects that arrive byte for byte', async () => {
    const { peer, output } = await storescp('+xa')
    await storeByDimse(peer, [object('1.2.5'), object('1.2.6')])
    const files = readdirSync(output).map((name) => readFileSync(join(output, name)))
    expect(files.map((bytes) => datasetOf(bytes).toString('latin1')).sort()).toEqual(
      [syntheticDataset(CR, '1.2.5'), syntheticDataset(CR, '1.2.6')].map((bytes) => bytes.toString('latin1')).sort(),
    )
  })

  it('stores with explicit VR where the peer prefers implicit', async () => {
    const { peer, output } = await storescp('+xi')
    // storescp +xi accepts implicit VR alone: nothing may be sent in its name.
    await expect(storeByDimse(peer, [object('1.2.5')])).rejects.toMatchObject({ code: 'pacs-refused' })
    expect(readdirSync(output)).toEqual([])
  })

  it('takes an absent peer, a silent one and one that breaks off for unreachable', async () => {
    await expect(storeByDimse(peerAt(1), [object('1.2.5')])).rejects.toMatchObject({ code: 'pacs-unreachable' })
    const dying = await open({ accept: () => dying.close(0) })
    await expect(storeByDimse(peerAt(dying.port), [object('1.2.5')])).rejects.toMatchObject({ code: 'pacs-unreachable' })
    const scp = await open({ accept: () => new Promise(() => {}) })
    await expect(storeByDimse(peerAt(scp.port, { timeoutMs: 1500 }), [object('1.2.5')])).rejects.toMatchObject({ code: 'pacs-unreachable' })
    await expect(storeByDimse(peerAt(scp.port), [object('1.2.5')], AbortSignal.timeout(300))).rejects.toMatchObject({ code: 'pacs-unreachable' })
  })

  it('tells a rejected association by its numbers', async () => {
    const port = await freePort()
    children.push(spawn('storescp', ['--refuse', String(port)], { env, stdio: 'ignore' }))
    const refused = (): Promise<string> =>
      echo(peerAt(port)).then(
        () => '',
        (problem: Problem) => problem.message,
      )
    await expect.poll(refused, { timeout: 10_000 }).toContain('rejects the association (result 1')
    const scp = await open({ peers: [] })
    await expect(echo(peerAt(scp.port))).rejects.toMatchObject({ code: 'pacs-refused', message: expect.stringContaining('result 1, source 1, reason 3') })
  }, 30_000)

  it.each([
    [new Problem('overloaded', 'full', { retryAfterSeconds: 1 }), 'pacs-unreachable'],
    [new Error('disk'), 'pacs-unreachable'],
  ])('takes a failed store for one to be tried again: %s', async (error, code) => {
    const scp = await open({
      accept: async () => {
        throw error
      },
    })
    await expect(storeByDimse(peerAt(scp.port), [object('1.2.5')])).rejects.toMatchObject({ code })
  })
})

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

describe.skipIf(!hasOpenssl)(`DIMSE over TLS${hasOpenssl ? '' : ' (needs openssl)'}`, () => {
  function certificate(name: string): PeerTls {
    const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)]
    spawnSync('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      key,
      '-out',
      cert,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-addext',
      'subjectAltName=IP:127.0.0.1',
    ])
    return { key: readFileSync(key, 'utf8'), certificate: readFileSync(cert, 'utf8') }
  }

  it('receives from a peer with a certificate that it trusts, and from no other', async () => {
    const [server, client, stranger] = [certificate('server'), certificate('client'), certificate('stranger')]
    const { port } = await open({ tls: { ...server, authorities: client.certificate! } })
    await storeByDimse(peerAt(port, { tls: { ...client, authorities: server.certificate! } }), [object('1.2.5')])
    expect(received).toHaveLength(1)
    for (const tls of [{ ...stranger, authorities: server.certificate! }, { ...client, authorities: stranger.certificate! }, null]) {
      await expect(storeByDimse(peerAt(port, { tls, timeoutMs: 3000 }), [object('1.2.6')])).rejects.toMatchObject({ code: 'pacs-unreachable' })
    }
    expect(received).toHaveLength(1)
  })
})

describe.skipIf(!hasOrthanc)(`Orthanc over DIMSE${hasOrthanc ? '' : " (needs Debian's orthanc and orthanc-dicomweb)"}`, () => {
  let orthanc: Orthanc
  let scpPort: number

  beforeAll(async () => {
    scpPort = await freePort()
    orthanc = await startOrthanc({ attending: ['ATTENDING', '127.0.0.1', scpPort] })
  })
  afterAll(() => orthanc?.stop())

  it('is stored to, searched and asked to send back by C-MOVE', async () => {
    const peer = peerAt(orthanc.dicomPort, { calledAeTitle: 'ORTHANC', callingAeTitle: 'ATTENDING', timeoutMs: 30_000 })
    await echo(peer)
    await storeByDimse(peer, [object('1.2.840.7.1'), object('1.2.840.7.2')])
    // The same again: nothing is doubled.
    await storeByDimse(peer, [object('1.2.840.7.1')])
    const found = await findByDimse(peer, 'IMAGE', { StudyInstanceUID: '1.2.1', SeriesInstanceUID: '1.2.2', SOPInstanceUID: '' })
    expect(found.map((record) => record['SOPInstanceUID']).sort()).toEqual(['1.2.840.7.1', '1.2.840.7.2'])
    expect(await findByDimse(peer, 'STUDY', { StudyInstanceUID: '9.9' })).toEqual([])
    await open({ port: scpPort })
    const key = { studyInstanceUid: '1.2.1', seriesInstanceUid: null, sopInstanceUid: null }
    expect(await moveByDimse(peer, key, 'ATTENDING')).toMatchObject({ completed: 2, failures: 0 })
    expect(received.map(({ bytes, callingAeTitle, moveOriginator }) => [readFileMeta(bytes).sopInstanceUid, callingAeTitle, moveOriginator]).sort()).toEqual([
      ['1.2.840.7.1', 'ORTHANC', 'ATTENDING'],
      ['1.2.840.7.2', 'ORTHANC', 'ATTENDING'],
    ])
    expect(received.every(({ bytes }) => Buffer.from(bytes).includes('a private element'))).toBe(true)
    await expect(moveByDimse(peer, key, 'NOWHERE')).rejects.toMatchObject({ code: expect.stringMatching(/^pacs-/) })
  })
})
