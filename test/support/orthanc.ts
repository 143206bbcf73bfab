/** A real archive for tests: Debian's Orthanc with its DICOMweb plugin, on loopback, with folders of its own that vanish with it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from './free-port.ts'

const PROGRAM = '/usr/sbin/Orthanc'
const DICOMWEB_PLUGIN = '/usr/share/orthanc/plugins/libOrthancDicomWeb.so'
const READY_TRIES = 200

export const hasOrthanc = existsSync(PROGRAM) && existsSync(DICOMWEB_PLUGIN)

export interface Orthanc {
  /** Without a slash at its end. */
  readonly url: string
  readonly dicomPort: number
  readonly aeTitle: string
  stop(): Promise<void>
}

/**
 * A started archive that answers.
 *
 * modalities  names of AE title, host and port that it may move objects to
 * root        below which its DICOMweb services lie, slashes at both ends
 */
export async function startOrthanc(modalities: Readonly<Record<string, readonly [string, string, number]>> = {}, root = '/dicom-web/'): Promise<Orthanc> {
  const folder = mkdtempSync(join(tmpdir(), 'attending-orthanc-'))
  const [httpPort, dicomPort] = [await freePort(), await freePort()]
  const settings = {
    StorageDirectory: join(folder, 'storage'),
    IndexDirectory: join(folder, 'index'),
    HttpPort: httpPort,
    DicomPort: dicomPort,
    RemoteAccessAllowed: false,
    AuthenticationEnabled: false,
    DicomAet: 'ORTHANC',
    DicomAlwaysAllowEcho: true,
    DicomAlwaysAllowStore: true,
    DicomAlwaysAllowFind: true,
    DicomAlwaysAllowMove: true,
    DicomAlwaysAllowGet: true,
    DicomModalities: modalities,
    Plugins: [DICOMWEB_PLUGIN],
    DicomWeb: { Enable: true, Root: root },
  }
  writeFileSync(join(folder, 'orthanc.json'), JSON.stringify(settings))
  const child = spawn(PROGRAM, [join(folder, 'orthanc.json')], { stdio: 'ignore' })
  const url = `http://127.0.0.1:${httpPort}`
  const stop = async (): Promise<void> => {
    await endChild(child)
    rmSync(folder, { recursive: true, force: true })
  }
  if (await answers(url)) return { url, dicomPort, aeTitle: 'ORTHANC', stop }
  await stop()
  throw new Error('Orthanc did not start')
}

async function answers(url: string): Promise<boolean> {
  for (let tries = 0; tries < READY_TRIES; tries++) {
    try {
      const response = await fetch(`${url}/system`)
      await response.arrayBuffer()
      if (response.ok) return true
    } catch {
      await delay(100)
    }
  }
  return false
}

async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGKILL')
  await ended
}

/** The answer of STOW-RS to these objects, as DICOM JSON (PS3.18 section 10.5). */
export async function stow(orthanc: Orthanc, objects: readonly Uint8Array[]): Promise<{ status: number; stored: string[]; failed: string[] }> {
  const boundary = 'attending-test-boundary'
  const parts = objects.flatMap((bytes) => [Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`), bytes, Buffer.from('\r\n')])
  const response = await fetch(`${orthanc.url}/dicom-web/studies`, {
    method: 'POST',
    headers: { 'content-type': `multipart/related; type="application/dicom"; boundary=${boundary}`, accept: 'application/dicom+json' },
    body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
  })
  const answer = (await response.json()) as Record<string, { Value?: Record<string, { Value?: string[] }>[] }>
  const uids = (tag: string): string[] => (answer[tag]?.Value ?? []).map((item) => item['00081155']?.Value?.[0] ?? '')
  return { status: response.status, stored: uids('00081199'), failed: uids('00081198') }
}

/** The bytes that the archive keeps of an instance. */
export async function retrieve(orthanc: Orthanc, sopInstanceUid: string): Promise<Uint8Array> {
  const found = await fetch(`${orthanc.url}/tools/lookup`, { method: 'POST', body: sopInstanceUid })
  const [instance] = (await found.json()) as { ID: string }[]
  const file = await fetch(`${orthanc.url}/instances/${instance?.ID}/file`)
  return new Uint8Array(await file.arrayBuffer())
}

/** What the archive shows of an instance, as PNG. */
export async function preview(orthanc: Orthanc, sopInstanceUid: string): Promise<Uint8Array> {
  const found = await fetch(`${orthanc.url}/tools/lookup`, { method: 'POST', body: sopInstanceUid })
  const [instance] = (await found.json()) as { ID: string }[]
  const image = await fetch(`${orthanc.url}/instances/${instance?.ID}/preview`, { headers: { accept: 'image/png' } })
  return new Uint8Array(await image.arrayBuffer())
}
