/** Two answers in, every place where they differ out. */

export interface Difference {
  /** Where: names and indices, as in `classes[0].logit`. */
  readonly path: string
  readonly before: unknown
  readonly now: unknown
}

export interface Comparison {
  readonly differences: readonly Difference[]
  /** Single values that were compared. */
  readonly compared: number
}

/** What belongs to one occasion and not to the answer: its name, its time, its speed, where its maps are kept. */
const OCCASION: readonly RegExp[] = [/^id$/, /^createdAt$/, /^timingMs(\.|$)/, /^predictionId$/, /^finishedAt$/, /^(maps\[\d+\]\.|map\.)?href(\.|$)/]

/** Every value of either answer that the other does not hold bit for bit; what belongs to the occasion is left out. */
export function compareAnswers(before: unknown, now: unknown): Comparison {
  const differences: Difference[] = []
  const compared = walk('', before, now, differences)
  return { differences, compared }
}

/** The number of single values compared below a place. */
function walk(path: string, before: unknown, now: unknown, differences: Difference[]): number {
  if (OCCASION.some((pattern) => pattern.test(path))) return 0
  if (isObject(before) && isObject(now)) {
    const isArray = Array.isArray(before)
    const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])]
    return keys.reduce((count, key) => count + walk(isArray ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`, before[key], now[key], differences), 0)
  }
  if (!Object.is(before, now)) differences.push({ path, before, now })
  return 1
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
