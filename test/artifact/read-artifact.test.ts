import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readArtifact } from '../../src/artifact/read-artifact.ts'
import { readPngTexts } from '../../src/artifact/read-png-texts.ts'
import { Problem } from '../../src/domain/problem.ts'
import { encodePng } from '../../src/render/png.ts'
import { renderMap } from '../../src/render/render-map.ts'
import { cropPlacement, displayOf, gridOf, mapOf, requestOf } from '../render/render-case.ts'

const overlay = async (title = 'Attention'): Promise<Uint8Array> => {
  const map = mapOf(
    gridOf(4, 4, (row) => row),
    { title, layer: 1 },
  )
  return (await renderMap(requestOf(map, displayOf(20, 30), cropPlacement(20, 30), { alpha: 0.3 }))).bytes
}
const plainPng = (texts: readonly { keyword: string; text: string }[]): Promise<Uint8Array> => encodePng({ width: 1, height: 1, color: 'gray', pixels: Uint8Array.of(0), texts })

describe('readArtifact', () => {
  it('tells which model, input and settings made a picture', async () => {
    const { format, facts } = readArtifact(await overlay())
    expect(format).toBe('png')
    expect(facts).toMatchObject({
      model: 'dcmm-vit-tiny-patch4-28.example-v1',
      version: '1.0.0',
      'graph-sha256': 'ab'.repeat(32),
      'input-sha256': 'cd'.repeat(32),
      options: 'style=overlay&alpha=0.3&head=all&colormap=default&size=source',
      layer: '1',
      placement: JSON.stringify(cropPlacement(20, 30)),
      'creation time': '2026-01-02T03:04:05Z',
    })
  })

  it('reads a title that is not ASCII', async () => {
    expect(readArtifact(await overlay('Aufmerksamkeit für 肺')).facts['title']).toBe('Aufmerksamkeit für 肺')
  })

  it('refuses a picture of another program, and what is no picture', async () => {
    const other = await plainPng([{ keyword: 'Software', text: 'another' }])
    expect(() => readArtifact(other)).toThrow(expect.objectContaining({ code: 'result-invalid' }))
    expect(() => readArtifact(Uint8Array.of(1, 2, 3))).toThrow(expect.objectContaining({ code: 'media-type-unsupported' }))
  })

  it('tells a changed text by its checksum', async () => {
    const bytes = Buffer.from(await overlay())
    const at = bytes.indexOf('attending:model')
    bytes[at + 16 + 3] = 0x78 // within the model's name
    expect(() => readArtifact(bytes)).toThrow(expect.objectContaining({ code: 'image-undecodable' }))
  })

  it('meets any damage with a Problem, never with a crash', async () => {
    const whole = await overlay()
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, value, isCut) => {
        const bytes = isCut ? whole.slice(0, at) : Uint8Array.from(whole, (byte, i) => (i === at ? value : byte))
        try {
          readArtifact(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(Problem)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('readPngTexts', () => {
  it('reads back any text that the writer took', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 60 }), async (text) => {
        fc.pre(!text.includes('\u0000'))
        expect(readPngTexts(await plainPng([{ keyword: 'key', text }])).get('key')).toBe(text)
      }),
      { numRuns: 60 },
    )
  })
})
