/** An instance's facts and the rules in, the decision with its whole explanation out: the first rule whose every condition holds decides. */
import type { RoutingFacts } from './routing-facts.ts'
import type { Rule, Rules } from './rules-file.ts'

/** How an instance came in. */
export interface Arrival {
  readonly door: string
  readonly peer: string | null
}

export interface CheckedCondition {
  readonly condition: keyof Rule['when']
  readonly holds: boolean
}

export interface CheckedRule {
  readonly rule: string
  readonly holds: boolean
  readonly conditions: readonly CheckedCondition[]
}

export type RouteDecision =
  | {
      readonly kind: 'predict'
      readonly rule: string
      readonly modelId: string
      readonly frames: readonly number[]
      readonly destinations: readonly string[]
    }
  | { readonly kind: 'skip'; readonly rule: string | null; readonly reason: string }

export interface Route {
  readonly decision: RouteDecision
  /** The rules as far as they were tried. */
  readonly tried: readonly CheckedRule[]
}

/** The decision. An instance that no rule takes is skipped: nothing is predicted that nobody asked for. */
export function decideRoute(facts: RoutingFacts, arrival: Arrival, { rules }: Rules): Route {
  const tried: CheckedRule[] = []
  for (const rule of rules) {
    const checked = checkRule(rule, facts, arrival)
    tried.push(checked)
    if (checked.holds) return { decision: toDecision(rule, facts), tried }
  }
  return { decision: { kind: 'skip', rule: null, reason: `none of ${rules.length} rules takes it` }, tried }
}

function toDecision({ name, action }: Rule, { numberOfFrames }: RoutingFacts): RouteDecision {
  if ('skip' in action) return { kind: 'skip', rule: name, reason: action.skip }
  if (typeof action.frames === 'number' && action.frames > numberOfFrames) return { kind: 'skip', rule: name, reason: `it has no frame ${action.frames}` }
  const frames = action.frames === 'all' ? Array.from({ length: numberOfFrames }, (_, index) => index + 1) : [action.frames === 'first' ? 1 : action.frames]
  return { kind: 'predict', rule: name, modelId: action.model, frames, destinations: action.destinations }
}

function checkRule({ name, when }: Rule, facts: RoutingFacts, arrival: Arrival): CheckedRule {
  const conditions = (Object.keys(when) as (keyof Rule['when'])[])
    .filter((condition) => when[condition] !== undefined)
    .map((condition) => ({ condition, holds: holds(condition, when, facts, arrival) }))
  return { rule: name, holds: conditions.every((condition) => condition.holds), conditions }
}

function holds(condition: keyof Rule['when'], when: Rule['when'], facts: RoutingFacts, { door, peer }: Arrival): boolean {
  switch (condition) {
    case 'maxFrames':
      return facts.numberOfFrames <= (when.maxFrames ?? Number.POSITIVE_INFINITY)
    case 'burnedInAnnotation':
      // What the file does not say may be there.
      return when.burnedInAnnotation === 'YES' || facts.burnedInAnnotation === 'NO'
    case 'door':
      return isOneOf(door, when.door)
    case 'peer':
      return isOneOf(peer, when.peer)
    case 'bodyPartExamined':
    case 'seriesDescription':
    case 'studyDescription':
      return (when[condition] ?? []).some((pattern) => matches(facts[condition] ?? '', pattern))
    default:
      return isOneOf(facts[condition], when[condition])
  }
}

function isOneOf(value: string | null, allowed: readonly string[] | undefined): boolean {
  return value !== null && (allowed ?? []).includes(value)
}

/**
 * Whether the text fits the pattern: * is any run of characters, ? is one, case does not count.
 *
 * Goes back to the last * alone, so that the time is at most the product of both lengths.
 */
export function matches(text: string, pattern: string): boolean {
  const [subject, wanted] = [text.toLowerCase(), pattern.toLowerCase()]
  let [at, place, star, retry] = [0, 0, -1, 0]
  while (at < subject.length) {
    if (wanted[place] === '*') {
      star = place++
      retry = at
    } else if (wanted[place] === '?' || wanted[place] === subject[at]) {
      at++
      place++
    } else if (star >= 0) {
      place = star + 1
      at = ++retry
    } else return false
  }
  while (wanted[place] === '*') place++
  return place === wanted.length
}
