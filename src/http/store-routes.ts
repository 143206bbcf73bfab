/** The body of a STOW-RS request in, the gateway's answer of PS3.18 section 10.5 out. */
import type { Request } from 'express'
import { Problem } from '../domain/problem.ts'
import type { ByteBudget } from './byte-collector.ts'
import type { Handler } from './call.ts'
import { findGateway } from './find-gateway.ts'
import type { HttpContext } from './http-context.ts'
import { whenRead } from './when-read.ts'

const RETRY_AFTER_SECONDS = 5
const ACCEPTED = ['multipart/related; type="application/dicom"']

/** Instances are taken one after the other, each whole in memory: a request takes one instance's bytes of the budget, or all of its own where they are fewer. */
export function storeInstancesHandler(context: HttpContext, budget: ByteBudget): Handler {
  return async ({ request, response }) => {
    const gateway = findGateway(context)
    if (context.stopping.aborted) throw new Problem('model-not-ready', 'the server is stopping', {})
    if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') throw new Problem('media-type-unsupported', 'the body must not be compressed', { accepted: ACCEPTED })
    const reserved = reservation(request, gateway.maxObjectBytes)
    if (!budget.take(reserved)) {
      throw new Problem('overloaded', 'the bodies of other requests fill the memory that is set aside for them', { retryAfterSeconds: RETRY_AFTER_SECONDS })
    }
    try {
      const { status, body } = await gateway.receiveStow({ contentType: request.headers['content-type'] ?? '', body: chunksOf(request) })
      // What comes behind the closing boundary means nothing, and must not be met by a reset that overtakes the answer.
      await whenRead(request)
      response.status(status)
      response.setHeader('Cache-Control', 'no-store')
      response.setHeader('Content-Type', 'application/dicom+json')
      response.send(Buffer.from(JSON.stringify(body)))
    } finally {
      budget.giveBack(reserved)
    }
  }
}

function reservation(request: Request, maxObjectBytes: number): number {
  const declared = Number(request.headers['content-length'] ?? Number.NaN)
  return Number.isSafeInteger(declared) ? Math.min(declared, maxObjectBytes) : maxObjectBytes
}

/** Throws: "request-malformed" where the client goes before its body's end. */
async function* chunksOf(request: Request): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array
  } catch (error) {
    throw new Problem('request-malformed', 'the body ended early', {}, error)
  }
}
