/** What the exporter's commands share beside what every command does: files read, a mask and a date understood. */
import { readFileSync } from 'node:fs'
import { invalid } from '../models/command.ts'
import { Problem } from '../src/domain/problem.ts'
import type { MaskChoice } from './build-manifest.ts'

/** Throws: "file-unreadable"; the text does not repeat the name. */
export function readFile(file: string, what: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(file))
  } catch (cause) {
    throw new Problem('file-unreadable', `the ${what} cannot be read`, {}, cause)
  }
}

/** 'expected', 'sample', 'threshold:0.2' or 'topP:0.9'. Throws: "parameter-invalid". */
export function parseMask(text: string): MaskChoice {
  const [mode = '', amount] = text.split(':')
  const value = Number(amount)
  if (amount === undefined && (mode === 'expected' || mode === 'sample')) return { mode }
  if (mode === 'threshold' && value >= 0 && value <= 1) return { mode, tau: value }
  if (mode === 'topP' && value > 0 && value <= 1) return { mode, rho: value }
  throw invalid('mask', 'the mask is expected, sample, threshold:<tau in 0..1> or topP:<rho in 0..1>')
}

/** An ISO 8601 date in UTC, to the second. Throws: "parameter-invalid". */
export function parseDate(text: string): string {
  if (!/^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}:\d{2}Z)?$/.test(text) || Number.isNaN(Date.parse(text))) throw invalid('date', 'the date is YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ')
  return text.length === 10 ? `${text}T00:00:00Z` : text
}
