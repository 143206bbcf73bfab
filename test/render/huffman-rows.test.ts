import { inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { huffmanRows, type Rows } from '../../src/render/huffman-rows.ts'

/** The rows with the filter Sub in front, by the PNG specification, 9.2. */
const filtered = ({ pixels, height, length, pixelBytes }: Rows): Buffer =>
  Buffer.concat(
    Array.from({ length: height }, (_, y) => {
      const row = pixels.subarray(y * length, (y + 1) * length)
      return Buffer.concat([Uint8Array.of(1), row.map((value, i) => value - (row[i - pixelBytes] ?? 0))])
    }),
  )
const expectRead = (rows: Rows): void => {
  expect(inflateSync(huffmanRows(rows)).equals(filtered(rows))).toBe(true)
}

describe('rows in Huffman codes', () => {
  it('are read back by zlib, checksum and all, for any bytes and any shape', () => {
    const rows = fc
      .record({ height: fc.integer({ min: 1, max: 12 }), width: fc.integer({ min: 1, max: 40 }), pixelBytes: fc.constantFrom(1, 2, 3, 4) })
      .chain(({ height, width, pixelBytes }) => {
        const length = width * pixelBytes
        return fc.record({
          pixels: fc.uint8Array({ minLength: height * length, maxLength: height * length }),
          height: fc.constant(height),
          length: fc.constant(length),
          pixelBytes: fc.constant(pixelBytes),
        })
      })
    fc.assert(fc.property(rows, expectRead))
  })

  it.each([
    ['noise', (i: number): number => Math.imul(i, 2654435761) >>> 24],
    ['one value', (): number => 200],
    ['values that are rarer and rarer', (i: number): number => Math.clz32(Math.imul(i, 2654435761))],
    ['the largest bytes, whose checksum comes nearest to 2^32', (i: number): number => (i % 3 === 0 ? 255 : 254)],
  ])('are read back over many strips: %s', (_, valueAt) => {
    const [height, length] = [401, 3 * 701]
    expectRead({ pixels: Uint8Array.from({ length: height * length }, (_, i) => valueAt(i)), height, length, pixelBytes: 3 })
  })

  it('are read back with runs of every length, in one row and over the ends of rows and strips', () => {
    const runs = Array.from({ length: 700 }, (_, length) => new Uint8Array(length).fill(length * 7))
    const pixels = Buffer.concat(runs) // 244,650 bytes
    expectRead({ pixels, height: 1, length: pixels.length, pixelBytes: 1 })
    expectRead({ pixels, height: 350, length: 699, pixelBytes: 3 })
    const many = Buffer.concat([pixels, pixels, pixels])
    expectRead({ pixels: many, height: 1050, length: 699, pixelBytes: 1 })
    expectRead({ pixels: many, height: 3, length: pixels.length, pixelBytes: 2 })
  })

  it('are few bytes where the picture is flat', () => {
    const rows = { pixels: new Uint8Array(3 * 1024 * 1024), height: 1024, length: 3 * 1024, pixelBytes: 3 }
    expectRead(rows)
    expect(huffmanRows(rows).length).toBeLessThan(16_000)
  })

  it('are read back where one row is longer than a strip', () => {
    const [height, length] = [2, 300_000]
    expectRead({ pixels: Uint8Array.from({ length: height * length }, (_, i) => (i * i) >> 3), height, length, pixelBytes: 3 })
  })

  it('are the same bytes for the same rows, whatever was written before', () => {
    const rows = { pixels: Uint8Array.from({ length: 3000 }, (_, i) => i * 7), height: 10, length: 300, pixelBytes: 3 }
    const first = huffmanRows(rows)
    huffmanRows({ pixels: Uint8Array.of(1, 2, 3), height: 1, length: 3, pixelBytes: 3 })
    expect(Buffer.from(huffmanRows(rows)).equals(first)).toBe(true)
  })
})
