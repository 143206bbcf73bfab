/** Parity reports in, lines for a terminal out: one line a stage, the worst over all runs. */
import type { ParityReport } from './parity.ts'

const HEAD = ['stage', 'values', 'largest difference', 'of the bound', ''] as const

/** One row a stage, in the order of the network; a last column says whether it holds. */
export function parityTable(reports: readonly ParityReport[]): string {
  const rows = worstByStage(reports).map(({ stage, values, largestDifference, worst }) => [
    stage,
    String(values),
    largestDifference.toExponential(2),
    worst.toFixed(4),
    worst <= 1 ? 'ok' : 'FAILED',
  ])
  return aligned([[...HEAD], ...rows])
}

/** The worst of each stage over all reports. */
export function worstByStage(reports: readonly ParityReport[]): ParityReport['stages'] {
  const worst = new Map<string, ParityReport['stages'][number]>()
  for (const report of reports) {
    for (const stage of report.stages) {
      const known = worst.get(stage.stage)
      const largestDifference = Math.max(known?.largestDifference ?? 0, stage.largestDifference)
      worst.set(stage.stage, { ...stage, largestDifference, worst: Math.max(known?.worst ?? 0, stage.worst) })
    }
  }
  return [...worst.values()]
}

/** Columns as wide as their widest cell, the first to the left, numbers to the right. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string => row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')
  return `${rows.map((row) => line(row).trimEnd()).join('\n')}\n`
}
