import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readZip } from '../../../models/data/read-zip.ts'
import { Problem } from '../../../src/domain/problem.ts'
import { zipOf } from '../support/npz.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const members = [
  { name: 'a.txt', bytes: text('the same word, the same word, the same word') },
  { name: 'b.txt', bytes: text('') },
]

describe('readZip', () => {
  it.each([true, false])('gives back every member by the central directory, though the local headers lie (deflated %s)', (deflate) => {
    const read = readZip(zipOf(members, { deflate }))
    expect([...read.keys()]).toEqual(['a.txt', 'b.txt'])
    expect(new TextDecoder().decode(read.get('a.txt'))).toBe('the same word, the same word, the same word')
    expect(read.get('b.txt')?.length).toBe(0)
  })

  it('tells a damaged member by its checksum', () => {
    const archive = zipOf(members, { deflate: false })
    archive[40] = (archive[40] ?? 0) ^ 1
    expect(() => readZip(archive)).toThrow(expect.objectContaining({ code: 'file-unreadable', message: 'a member of the zip archive is damaged' }))
  })

  it('answers any bytes, and any damage to an archive, with members or with a Problem', () => {
    const archive = zipOf(members)
    const damaged = fc.tuple(fc.nat(archive.length - 1), fc.nat(255)).map(([at, value]) => Uint8Array.from(archive, (byte, i) => (i === at ? value : byte)))
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (bytes) => {
        try {
          expect(readZip(bytes)).toBeInstanceOf(Map)
        } catch (error) {
          expect(error).toBeInstanceOf(Problem)
          expect((error as Problem).code).toBe('file-unreadable')
        }
      }),
      { numRuns: 500 },
    )
  })
})
