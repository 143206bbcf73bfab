import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sniffFormat } from '../../src/http/sniff-format.ts'
import { corpusFile, hasCorpus } from '../support/corpus.ts'
import { dicomBytes, jpegBytes, pngBytes } from './support/sample-prediction.ts'

describe('sniffFormat', () => {
  it('tells DICOM, PNG and JPEG by their first bytes', () => {
    expect([dicomBytes, pngBytes, jpegBytes].map(sniffFormat)).toEqual(['dicom', 'png', 'jpeg'])
  })

  it('takes a DICOM file for one whatever its preamble holds', () => {
    const bytes = Uint8Array.from(dicomBytes)
    bytes.set(pngBytes)
    expect(sniffFormat(bytes)).toBe('dicom')
  })

  it('finds no format in a signature that is cut short', () => {
    expect([pngBytes.subarray(0, 7), jpegBytes.subarray(0, 2), dicomBytes.subarray(0, 131), new Uint8Array()].map(sniffFormat)).toEqual([null, null, null, null])
  })

  it('answers for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(['dicom', 'png', 'jpeg', null]).toContain(sniffFormat(bytes))
      }),
    )
  })

  it.skipIf(!hasCorpus)('knows every file that decodes as DICOM (needs the corpus)', () => {
    const rows = readFileSync(corpusFile('INDEX.tsv'), 'utf8').trim().split('\n').slice(1)
    const names = rows.map((row) => row.split('\t')).flatMap(([name = '', ...rest]) => (rest.at(-1)?.startsWith('decodes') ? [name] : []))
    expect(names.length).toBeGreaterThan(50)
    expect(names.filter((name) => sniffFormat(readFileSync(corpusFile(name))) !== 'dicom')).toEqual([])
  })
})
