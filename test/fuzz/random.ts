/** A seed in, the same endless row of numbers out: mulberry32, small and good enough to choose what to spoil. */

export interface Random {
  /** An integer from 0 to limit - 1. */
  below(limit: number): number
  /** One of the choices. */
  pick<T>(choices: readonly T[]): T
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const below = (limit: number): number => next() % limit
  return { below, pick: (choices) => choices[below(choices.length)]! }
}

/** The numbers of a case: neighbors begin far from each other. */
export function createCaseRandom(number: number): Random {
  return createRandom(Math.imul(number + 1, 0x9e3779b1))
}
