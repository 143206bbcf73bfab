/** The command: exactly one JSON object, whatever it is given. */
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspect } from '../src/inspect.ts'
import { buildGray16, words } from './support/synthetic-dicom.ts'
import { buildPng } from './support/synthetic-png.ts'

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'attending-inspect-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function file(bytes: Uint8Array): string {
  const path = join(folder, createHash('sha256').update(bytes).digest('hex'))
  writeFileSync(path, bytes)
  return path
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe('inspect', () => {
  it('prints what it read of a DICOM image, and nothing else', async () => {
    const values = [-1, 0, 1, 2, 10, 20]
    const path = file(
      buildGray16(values, 2, {
        Rows: 1,
        NumberOfFrames: '3',
        PixelRepresentation: 1,
        BitsStored: 12,
        HighBit: 11,
        WindowCenter: '10',
        WindowWidth: '20',
        VOILUTFunction: 'LINEAR_EXACT',
      }),
    )
    const { text, exitCode } = await inspect([path, '--frame', '3'])
    expect(exitCode).toBe(0)
    // frame 3 through the window 0..20: 10 is 0.5, 127.5 rounds up
    expect(JSON.parse(text)).toEqual({
      format: 'dicom',
      transferSyntaxUid: '1.2.840.10008.1.2.1',
      photometricInterpretation: 'MONOCHROME2',
      rows: 1,
      columns: 2,
      frames: 3,
      bitsAllocated: 16,
      bitsStored: 12,
      pixelRepresentation: 1,
      window: { center: 10, width: 20, function: 'LINEAR_EXACT' },
      storedPixels: { sha256: sha256(words(values)), min: -1, max: 20, mean: 32 / 6 },
      display: { sha256: sha256(Uint8Array.of(128, 255)), mean: 191.5 },
      warnings: [],
    })
  })

  it('prints the samples of a PNG', async () => {
    const { text } = await inspect([file(buildPng({ width: 2, height: 1, bitDepth: 8, colorType: 2, rows: [[255, 0, 0, 0, 0, 255]] }))])
    // luma of red and blue: 76.245 and 29.07
    expect(JSON.parse(text)).toMatchObject({
      format: 'png',
      transferSyntaxUid: null,
      photometricInterpretation: 'RGB',
      rows: 1,
      columns: 2,
      frames: 1,
      bitsAllocated: 8,
      bitsStored: 8,
      pixelRepresentation: 0,
      storedPixels: { sha256: sha256(Uint8Array.of(255, 0, 0, 0, 0, 255)), min: 0, max: 255, mean: 85 },
      display: { sha256: sha256(Uint8Array.of(76, 29)), mean: 52.5 },
    })
  })

  it.each([
    ['a file that is not there', () => ['/no/such/file'], 'file-unreadable'],
    ['no file', () => [], 'parameter-invalid'],
    ['two files', () => ['a', 'b'], 'parameter-invalid'],
    ['an option that it does not know', () => ['a', '--gain', '3'], 'parameter-invalid'],
    ['a frame that is no number', () => [file(buildGray16([1, 2], 2)), '--frame', 'first'], 'parameter-invalid'],
    ['a frame that is not there', () => [file(buildGray16([1, 2], 2)), '--frame', '2'], 'parameter-invalid'],
    ['a text', () => [file(Buffer.from('no image'))], 'media-type-unsupported'],
    ['an image without rows', () => [file(buildGray16([1, 2], 2, { Rows: 0 }))], 'dimensions-invalid'],
  ])('prints the problem of %s and exits 1', async (_, args, code) => {
    const { text, exitCode } = await inspect(args())
    expect(exitCode).toBe(1)
    expect(JSON.parse(text)).toEqual({ problem: { code, detail: expect.any(String) } })
    expect(text).not.toContain(folder)
  })

  it('explains itself', async () => {
    expect(await inspect(['--help'])).toMatchObject({ exitCode: 0, text: expect.stringContaining('--frame N') })
  })
})
