/** One request on its way: what the route reads, and what the log line will say of it. */
import type { Request, Response } from 'express'
import type { ProblemCode } from '../domain/problem.ts'
import type { Parameters } from './read-parameters.ts'

/** Facts for the log and the metrics, filled in on the way. */
export interface CallFacts {
  readonly requestId: string
  /** The path as openapi.yaml has it; never the path that was asked for. */
  route: string
  /** Only once it is known to be a model of this server. */
  model: string | null
  code: ProblemCode | null
}

export interface Call {
  readonly request: Request
  readonly response: Response
  readonly parameters: Parameters
  readonly facts: CallFacts
  /** Aborted when the client goes before it has its answer. */
  readonly signal: AbortSignal
}

export type Handler = (call: Call) => void | Promise<void>

const factsOfResponse = new WeakMap<Response, CallFacts>()

export function openFacts(response: Response, requestId: string): CallFacts {
  const facts: CallFacts = { requestId, route: 'unmatched', model: null, code: null }
  factsOfResponse.set(response, facts)
  return facts
}

/** The facts of a response that passed the first middleware. */
export function factsOf(response: Response): CallFacts {
  const facts = factsOfResponse.get(response)
  if (facts === undefined) throw new RangeError('a response without facts')
  return facts
}

/** A signal that aborts when the connection closes before the answer is out. */
export function signalOf(response: Response): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) controller.abort()
  })
  return controller.signal
}
