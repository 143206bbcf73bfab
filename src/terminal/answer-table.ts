/** An answer in, a small table for a terminal out. */
import type { PredictionAnswer } from '../domain/answer.ts'

/** Lines of aligned columns; the first row is the head. Numbers stand to the right. */
export function toTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)))
  const isNumber = (text: string): boolean => /^[-+]?[\d.]+( %)?$/.test(text)
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (isNumber(cell) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  )
  return lines.join('\n')
}

const percent = (value: number): string => `${(100 * value).toFixed(1)} %`

/** Classes with and without the structure, communities, warnings, and what made the answer. */
export function toAnswerTable(answer: PredictionAnswer): string {
  const { model, input, classes, counterfactual, communities, structure, uncertainty } = answer
  const without = new Map(counterfactual?.classes.map((each) => [each.name, each]))
  const head = ['class', 'model output score', 'calibrated', 'logit', ...(counterfactual ? ['without structure'] : [])]
  const rows = classes.map(({ name, probability, calibratedProbability, logit }) => [
    name === answer.predictedClass ? `> ${name}` : `  ${name}`,
    percent(probability),
    calibratedProbability === null ? '-' : percent(calibratedProbability),
    logit.toFixed(3),
    ...(counterfactual ? [percent(without.get(name)?.probability ?? 0)] : []),
  ])
  const lines = [
    `${model.id} ${model.version}  (graph ${model.graphSha256.slice(0, 8)})`,
    `${input.format}, ${input.rows} x ${input.columns}, frame ${input.frame} of ${input.frames}`,
    '',
    toTable([head, ...rows]),
  ]
  if (communities.length > 0) lines.push('', `communities  ${communities.map(({ index, share }) => `${index + 1}: ${percent(share)}`).join('   ')}`)
  if (structure) lines.push(`structure    ${structure.inactiveHeads} of ${structure.heads} heads inactive`)
  if (uncertainty) {
    const spread = uncertainty.classes.map(({ name, meanProbability, standardDeviation }) => `${name} ${percent(meanProbability)} (SD ${percent(standardDeviation)})`)
    lines.push(`over ${uncertainty.samples} masks  ${spread.join('   ')}   another class in ${percent(uncertainty.flipRate)}`)
  }
  if (answer.inputCheck) lines.push(`input check  ${[answer.inputCheck.verdict, ...answer.inputCheck.reasons].join(': ')}`)
  for (const { code, detail } of input.warnings) lines.push(`warning      ${code}: ${detail}`)
  return lines.join('\n')
}
