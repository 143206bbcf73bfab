/** The text of a CSV file with a header in, its rows by the header's names out. Source: RFC 4180, with a semicolon or tab where the header uses it. */
import { Problem } from '../../src/domain/problem.ts'

export interface CsvRow {
  /** Of the file, from 1: what a person finds in an editor. */
  readonly line: number
  readonly cells: ReadonlyMap<string, string>
}

export interface CsvTable {
  readonly columns: readonly string[]
  readonly rows: readonly CsvRow[]
}

interface Line {
  readonly line: number
  readonly cells: readonly string[]
}

/**
 * The rows, cells trimmed, empty lines left out; columns in lower case.
 *
 * Throws: "file-unreadable" naming the line: a quote that does not close or stands within a cell, a row of another length, a column twice, no rows.
 */
export function readCsv(text: string): CsvTable {
  const clean = text.replace(/^\ufeff/, '')
  const [header, ...records] = splitRecords(clean, separatorOf(clean))
  if (header === undefined) throw unreadable('the table is empty')
  const columns = header.cells.map((cell) => cell.toLowerCase())
  const twice = columns.find((column, i) => columns.indexOf(column) !== i)
  if (twice !== undefined) throw unreadable(`the table has the column "${twice}" twice`)
  if (records.length === 0) throw unreadable('the table has no rows under its header')
  return { columns, rows: records.map(({ line, cells }) => ({ line, cells: cellsOf(columns, line, cells) })) }
}

function cellsOf(columns: readonly string[], line: number, cells: readonly string[]): ReadonlyMap<string, string> {
  if (cells.length !== columns.length) throw unreadable(`line ${line} of the table has ${cells.length} cells, the header ${columns.length}`)
  return new Map(columns.map((column, i) => [column, cells[i] ?? '']))
}

/** Whichever of the three the header holds most of. */
function separatorOf(text: string): string {
  const [header = ''] = text.split(/\r?\n/, 1)
  const countOf = (separator: string): number => header.split(separator).length
  return [',', ';', '\t'].reduce((best, separator) => (countOf(separator) > countOf(best) ? separator : best))
}

/** One pass over the characters: a quoted cell may hold separators, line breaks and doubled quotes. */
function splitRecords(text: string, separator: string): Line[] {
  const records: Line[] = []
  let line = 1
  let at = 0
  while (at < text.length) {
    const cells: string[] = []
    const startLine = line
    let ended = false
    while (!ended) {
      const { cell, next, breaks } = readCell(text, at, separator, line)
      cells.push(cell.trim())
      line += breaks
      ended = text[next] !== separator
      at = next + 1
    }
    if (text[at - 1] === '\r' && text[at] === '\n') at += 1
    line += 1
    if (cells.some((cell) => cell !== '')) records.push({ line: startLine, cells })
  }
  return records
}

interface Cell {
  readonly cell: string
  /** The index of what ended it: a separator, a line break or the end. */
  readonly next: number
  /** Line breaks within it. */
  readonly breaks: number
}

function readCell(text: string, start: number, separator: string, line: number): Cell {
  if (text[start] === '"') return readQuotedCell(text, start, separator, line)
  let next = start
  while (next < text.length && text[next] !== separator && text[next] !== '\n' && text[next] !== '\r') next += 1
  const cell = text.slice(start, next)
  if (cell.includes('"')) throw unreadable(`line ${line} of the table has a quote within an unquoted cell`)
  return { cell, next, breaks: 0 }
}

function readQuotedCell(text: string, start: number, separator: string, line: number): Cell {
  let close = text.indexOf('"', start + 1)
  while (close >= 0 && text[close + 1] === '"') close = text.indexOf('"', close + 2)
  if (close < 0) throw unreadable(`the quote of line ${line} of the table does not close`)
  const after = text[close + 1]
  if (after !== undefined && after !== separator && after !== '\n' && after !== '\r') throw unreadable(`line ${line} of the table goes on after a closing quote`)
  const cell = text.slice(start + 1, close).replaceAll('""', '"')
  return { cell, next: close + 1, breaks: cell.split('\n').length - 1 }
}

function unreadable(detail: string): Problem {
  return new Problem('file-unreadable', detail, {})
}
