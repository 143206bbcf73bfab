import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCsv } from '../../../models/data/read-csv.ts'

const rowsOf = (text: string): string[][] => readCsv(text).rows.map(({ cells }) => [...cells.values()])

describe('readCsv', () => {
  it('reads cells by the names of the header, in lower case, and knows the line of each row', () => {
    const { columns, rows } = readCsv('\ufeffImage,Class\r\na.png, x \r\n\r\n"b\n1.png",y\nc.png,z')
    expect(columns).toEqual(['image', 'class'])
    expect(rows.map(({ line }) => line)).toEqual([2, 4, 6])
    expect(rows[0]?.cells.get('class')).toBe('x')
    expect(rows[1]?.cells.get('image')).toBe('b\n1.png')
  })

  it.each([
    ['a comma', 'a,b\n1,2'],
    ['a semicolon', 'a;b\n1;2'],
    ['a tab', 'a\tb\n1\t2'],
  ])('takes %s as the separator where the header does', (_, text) => {
    expect(rowsOf(text)).toEqual([['1', '2']])
  })

  it('gives back what another writer quoted, as RFC 4180 tells it to', () => {
    const cell = fc.string({ maxLength: 8 }).map((text) => `x${text.replaceAll('\r', '')}x`)
    const quote = (text: string): string => `"${text.replaceAll('"', '""')}"`
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 }), (rows) => {
        expect(rowsOf(`a,b\r\n${rows.map((row) => row.map(quote).join()).join('\r\n')}\r\n`)).toEqual(rows)
      }),
      { numRuns: 60 },
    )
  })

  it.each([
    ['nothing', '', 'empty'],
    ['a header alone', 'a,b\n', 'no rows'],
    ['a row that is too short', 'a,b\n1,2\n3\n', 'line 3'],
    ['a quote that does not close', 'a,b\n1,"2\n', 'line 2'],
    ['text behind a closing quote', 'a,b\n"1"x,2\n', 'line 2'],
    ['a quote within a cell', 'a,b\n1x"y,2\n', 'line 2'],
    ['a column twice', 'a,A\n1,2\n', 'twice'],
  ])('refuses %s, naming where', (_, text, where) => {
    expect(() => readCsv(text)).toThrow(expect.objectContaining({ code: 'file-unreadable', message: expect.stringContaining(where) }))
  })
})
