/** The rules file's text in, checked rules out: which instances go to which model, and where the results go. */
import { z } from 'zod'
import { Problem } from '../domain/problem.ts'

const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/, 'must be 1 to 64 letters, digits, spaces, dots, dashes or underscores')
const codes = z.array(z.string().min(1).max(64)).min(1)
/** Text with * for any characters and ? for one; upper and lower case are the same. */
const patterns = z.array(z.string().min(1).max(128)).min(1)

const conditionSchema = z.strictObject({
  sopClassUid: codes.optional(),
  modality: codes.optional(),
  bodyPartExamined: patterns.optional(),
  viewPosition: codes.optional(),
  seriesDescription: patterns.optional(),
  studyDescription: patterns.optional(),
  /** Through which door it came: 'stow', 'c-store', 'folder', 'http', 'pull', 'ups'. */
  door: codes.optional(),
  /** AE title of the sender, or name of the archive. */
  peer: codes.optional(),
  maxFrames: z.int().min(1).optional(),
  /** Whether images whose pixels may carry burned-in text are let through; absent lets all through. */
  burnedInAnnotation: z.enum(['NO', 'YES']).optional(),
})

const actionSchema = z.union([
  z.strictObject({ skip: z.string().min(1).max(200) }),
  z.strictObject({
    model: z.string().min(1).max(128),
    /** 'first', 'all', or the number of one, from 1. */
    frames: z.union([z.literal('first'), z.literal('all'), z.int().min(1)]).default('first'),
    destinations: z.array(z.string().min(1).max(64)).default([]),
  }),
])

const fileSchema = z.strictObject({
  version: z.literal(1),
  rules: z.array(z.strictObject({ name, when: conditionSchema, action: actionSchema })).max(1000),
})

export type RuleCondition = z.infer<typeof conditionSchema>
export type RuleAction = z.infer<typeof actionSchema>
export type Rules = z.infer<typeof fileSchema>
export type Rule = Rules['rules'][number]

/** What the rules may name. */
export interface RuleTargets {
  readonly models: readonly string[]
  readonly destinations: readonly string[]
}

/**
 * The rules, in the order in which they are tried.
 *
 * targets  null leaves models and destinations unchecked
 *
 * Throws: "settings-invalid", naming the place in the file.
 */
export function parseRules(text: string, targets: RuleTargets | null): Rules {
  const parsed = fileSchema.safeParse(parseJson(text))
  if (!parsed.success) throw invalid(firstIssue(parsed.error))
  if (targets !== null) checkTargets(parsed.data, targets)
  checkNames(parsed.data)
  return parsed.data
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw invalid('is no JSON document', error)
  }
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues
  return `at ${issue?.path.join('.') || 'its top'}: ${issue?.message ?? 'not valid'}`
}

function checkTargets({ rules }: Rules, { models, destinations }: RuleTargets): void {
  for (const rule of rules) {
    if (!('model' in rule.action)) continue
    if (!models.includes(rule.action.model)) throw invalid(`rule "${rule.name}" names a model that there is not; there are ${models.join(', ')}`)
    const unknown = rule.action.destinations.find((destination) => !destinations.includes(destination))
    if (unknown !== undefined) throw invalid(`rule "${rule.name}" names a destination that there is not; there are ${destinations.join(', ') || 'none'}`)
  }
}

function checkNames({ rules }: Rules): void {
  const twice = rules.find((rule, index) => rules.findIndex((other) => other.name === rule.name) !== index)
  if (twice !== undefined) throw invalid(`two rules have the name "${twice.name}"`)
}

function invalid(detail: string, cause?: unknown): Problem {
  return new Problem('settings-invalid', `the rules file ${detail}`, { setting: 'ATTENDING_RULES_FILE' }, cause)
}
