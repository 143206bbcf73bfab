/** A job's changes as they happen: server-sent events (HTML Living Standard, 9.2), from where the client was last. */
import type { Response } from 'express'
import type { JobEvent } from '../domain/job.ts'
import { Problem } from '../domain/problem.ts'
import type { Call, Handler } from './call.ts'
import { findGateway } from './find-gateway.ts'
import type { HttpContext } from './http-context.ts'
import { toEventAnswer } from './to-job-answer.ts'

/** A line that says nothing, so that nobody between takes the connection for dead. */
const COMMENT_INTERVAL_MS = 15_000

/** Ends with the job, with the client, or with the server; whoever was cut off asks again with Last-Event-ID. */
export function followJobHandler(context: HttpContext): Handler {
  return async (call) => {
    const { jobs } = findGateway(context)
    const id = String(call.parameters['id'])
    const after = readLastEventId(call)
    // What is unknown is told with a status; from the first event on there is only the stream.
    await jobs.find(id)
    const { response } = call
    response.setHeader('Content-Type', 'text/event-stream')
    response.setHeader('Cache-Control', 'no-store')
    response.flushHeaders()
    const comments = setInterval(() => response.write(':\n\n'), COMMENT_INTERVAL_MS)
    try {
      await sendEvents(response, jobs.follow(id, after, AbortSignal.any([call.signal, context.stopping])))
    } finally {
      clearInterval(comments)
      response.end()
    }
  }
}

async function sendEvents(response: Response, events: AsyncIterable<JobEvent>): Promise<void> {
  for await (const event of events) response.write(`id: ${event.sequence}\nevent: ${event.state}\ndata: ${JSON.stringify(toEventAnswer(event))}\n\n`)
}

function readLastEventId({ request }: Call): number {
  const text = request.headers['last-event-id'] ?? '0'
  if (typeof text === 'string' && /^\d{1,15}$/.test(text)) return Number(text)
  throw new Problem('parameter-invalid', 'Last-Event-ID must be the id of an event', { parameter: 'Last-Event-ID' })
}
