/** Orders in, durable jobs out: submitted, looked at, followed, cancelled, taken up again. */
import type { GatewayDoor } from '../domain/gateway.ts'
import type { InstanceOrder, JobState, PullOrder, Submission, SubmitOptions } from '../domain/job.ts'
import { Problem } from '../domain/problem.ts'
import { type ByteBudget, ByteCollector } from './byte-collector.ts'
import type { Call, Handler } from './call.ts'
import { findGateway } from './find-gateway.ts'
import type { HttpContext } from './http-context.ts'
import { findModel } from './model-routes.ts'
import { type BodyChecker, readJson } from './read-json.ts'
import { readUpload } from './read-upload.ts'
import { toJobAnswer } from './to-job-answer.ts'

/** What a pull fetches, as openapi.yaml has it. */
interface PullBody {
  readonly archive: string
  readonly studyInstanceUid: string
  readonly seriesInstanceUid?: string
  readonly sopInstanceUid?: string
}

type Choice = Pick<PullOrder, 'modelId' | 'destinations'>

const KEY = /^[\x21-\x7e]{1,255}$/
const RETRY_AFTER_SECONDS = 60

export function submitJobHandler(context: HttpContext, budget: ByteBudget, checkPull: BodyChecker<PullBody>): Handler {
  return async (call) => {
    const gateway = findGateway(context)
    const choice = readChoice(context, call)
    const options = readSubmitOptions(call)
    if (context.stopping.aborted) throw new Problem('model-not-ready', 'the server is stopping', {})
    await refuseIfFull(gateway)
    const isPull = /^application\/json\s*(;|$)/i.test(call.request.headers['content-type'] ?? '')
    const submission = isPull ? await submitPull(gateway, call, checkPull, choice, options) : await submitImage(context, gateway, call, budget, choice, options)
    const { id } = submission.job
    call.response.status(submission.isNew ? 202 : 200).setHeader('Location', `/v1/jobs/${id}`)
    call.response.setHeader('Cache-Control', 'no-store')
    call.response.json(toJobAnswer(submission.job))
  }
}

async function submitPull(gateway: GatewayDoor, { request }: Call, check: BodyChecker<PullBody>, choice: Choice, options: SubmitOptions): Promise<Submission> {
  const { archive, studyInstanceUid, seriesInstanceUid = null, sopInstanceUid = null } = await readJson(request, check)
  if (!gateway.archives.includes(archive)) throw new Problem('parameter-invalid', `archive must be one of ${gateway.archives.join(', ')}`, { parameter: 'archive' })
  if (sopInstanceUid !== null && seriesInstanceUid === null) {
    throw new Problem('parameter-invalid', 'an instance is found by its series: seriesInstanceUid is missing', { parameter: 'seriesInstanceUid' })
  }
  return gateway.jobs.submitPull({ kind: 'pull', archive, studyInstanceUid, seriesInstanceUid, sopInstanceUid, ...choice }, options)
}

async function submitImage(context: HttpContext, gateway: GatewayDoor, call: Call, budget: ByteBudget, choice: Choice, options: SubmitOptions): Promise<Submission> {
  const maxBodyBytes = Math.min(context.maxBodyBytes, gateway.maxObjectBytes)
  const collector = new ByteCollector(maxBodyBytes, budget)
  try {
    const bytes = await readUpload(call.request, call.response, collector, { maxBodyBytes, budget })
    const order: InstanceOrder = { kind: 'instance', door: 'http', peer: null, ...choice }
    return await gateway.jobs.submitInstance(order, bytes, options)
  } finally {
    collector.release()
  }
}

function readChoice(context: HttpContext, { parameters, facts }: Call): Choice {
  const id = parameters['model']
  if (id !== undefined) facts.model = findModel(context.models, id).manifest.id
  return { modelId: facts.model, destinations: (parameters['destinations'] as readonly string[] | undefined) ?? null }
}

/** A key of a client never meets one that a door of the gateway made: those are hexadecimal digits alone. */
function readSubmitOptions({ request, parameters }: Call): SubmitOptions {
  const priority = parameters['priority'] as number
  const key = request.headers['idempotency-key']
  if (key === undefined) return { priority }
  if (typeof key !== 'string' || !KEY.test(key)) {
    throw new Problem('parameter-invalid', 'Idempotency-Key must be 1 to 255 printable characters without spaces', { parameter: 'Idempotency-Key' })
  }
  return { priority, idempotencyKey: `http/${key}` }
}

async function refuseIfFull({ jobs, maxQueued }: GatewayDoor): Promise<void> {
  const { states } = await jobs.counts()
  if (states.queued >= maxQueued) throw new Problem('overloaded', 'as many orders wait as may', { retryAfterSeconds: RETRY_AFTER_SECONDS })
}

export function listJobsHandler(context: HttpContext): Handler {
  return async ({ parameters, response }) => {
    const { jobs } = findGateway(context)
    const state = parameters['state'] as JobState | undefined
    const found = await jobs.list({ limit: parameters['limit'] as number, ...(state === undefined ? {} : { state }) })
    response.setHeader('Cache-Control', 'no-store')
    response.json({ jobs: found.map(toJobAnswer) })
  }
}

export function getJobHandler(context: HttpContext): Handler {
  return answerWithJob((id) => findGateway(context).jobs.find(id))
}

export function cancelJobHandler(context: HttpContext): Handler {
  return answerWithJob((id) => findGateway(context).jobs.cancel(id))
}

export function replayJobHandler(context: HttpContext): Handler {
  return answerWithJob((id) => findGateway(context).jobs.replay(id))
}

function answerWithJob(act: (id: string) => ReturnType<GatewayDoor['jobs']['find']>): Handler {
  return async ({ parameters, response }) => {
    const job = await act(String(parameters['id']))
    response.setHeader('Cache-Control', 'no-store')
    response.json(toJobAnswer(job))
  }
}
