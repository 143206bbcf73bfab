/** A Problem in, its `application/problem+json` (RFC 9457) out. */
import type { Response } from 'express'
import { Problem, type ProblemCode, type ProblemFacts } from '../domain/problem.ts'
import { PROBLEM_TABLE, toPublicCode } from './problem-table.ts'
import { whenRead } from './when-read.ts'

export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

export interface ProblemDocument {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  /** The request, as the log names it. */
  readonly instance: string
  readonly code: string
  readonly [fact: string]: unknown
}

/** The document of a problem; facts are members beside the standard's own. */
export function toProblemDocument(problem: Problem, requestId: string): ProblemDocument {
  const parts = toProblemParts(problem)
  const isOurs = PROBLEM_TABLE[parts.code].actor === 'us'
  return { ...(isOurs ? {} : problem.facts), ...parts, instance: toUrn(requestId) }
}

/** What is told of a problem wherever it is told: a fault shows nothing but that it happened. */
export function toProblemParts(problem: Problem): Pick<ProblemDocument, 'type' | 'title' | 'status' | 'detail'> & { readonly code: ProblemCode } {
  const code = toPublicCode(problem.code)
  const { status, title, actor } = PROBLEM_TABLE[code]
  return { type: `/problems/${code}`, title, status, detail: actor === 'us' ? 'an unexpected failure; the log names it by the instance' : problem.message, code }
}

/**
 * Sends the problem with the headers that its code brings: Retry-After, Allow.
 *
 * It goes out at once, so that the client may stop; but a connection that is closed upon it is closed only when the body has been
 * read, or no end of it is seen: else what comes in meanwhile would be met by a reset, which may overtake the answer (RFC 9112 section 9.6).
 */
export function sendProblem(response: Response, problem: Problem, requestId: string): void {
  const document = toProblemDocument(problem, requestId)
  const body = Buffer.from(JSON.stringify(document))
  for (const [name, value] of headersOf(problem)) response.setHeader(name, value)
  response.status(document.status).setHeader('Content-Type', `${PROBLEM_MEDIA_TYPE}; charset=utf-8`)
  if (response.req.complete || response.shouldKeepAlive) return void response.send(body)
  response.setHeader('Content-Length', body.length)
  response.write(body)
  void whenRead(response.req).then(() => response.end())
}

function headersOf(problem: Problem): readonly (readonly [string, string])[] {
  if (problem.code === 'overloaded' || problem.code === 'job-unfinished') {
    return [['Retry-After', String((problem.facts as ProblemFacts['overloaded' | 'job-unfinished']).retryAfterSeconds)]]
  }
  if (problem.code === 'method-not-allowed') return [['Allow', (problem.facts as ProblemFacts['method-not-allowed']).allowed.join(', ')]]
  return []
}

/** Any thrown value as a Problem: the router's complaint about a path becomes "request-malformed", what nobody foresaw "internal". */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof URIError) return new Problem('request-malformed', 'the path is not well percent-encoded', {}, error)
  return new Problem('internal', 'an unexpected failure', {}, error)
}

/** 32 hex digits as the URN of a UUID. */
function toUrn(id: string): string {
  return `urn:uuid:${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`
}
