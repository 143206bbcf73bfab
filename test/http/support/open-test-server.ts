/** The app on a free port of loopback, with fake engines; every answer that passes through `ask` is held against openapi.yaml. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ProblemCode } from '../../../src/domain/problem.ts'
import { createApp } from '../../../src/http/create-app.ts'
import { createHttpServer, SERVER_LIMITS, type ServerLimits } from '../../../src/http/create-server.ts'
import type { HttpContext } from '../../../src/http/http-context.ts'
import { type Operation, readOpenApi } from '../../../src/http/open-api.ts'
import { openExplanationDesk } from '../../../src/jobs/explanation-desk.ts'
import { openPredictionFolder, type PredictionFolder } from '../../../src/store/prediction-store.ts'
import { createFakeEngines, type FakeEngines } from './fake-engines.ts'
import { createFakeGateway, type FakeGateway } from './fake-gateway.ts'
import { sampleModels } from './sample-prediction.ts'

export const openApiText = readFileSync(resolve(import.meta.dirname, '../../../openapi.yaml'), 'utf8')
export const openApi = readOpenApi(openApiText)
const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
ajv.addSchema(openApi.document, 'openapi.yaml')

export const HOUR_MS = 3_600_000
const EVERYWHERE: readonly string[] = ['request-malformed', 'route-unknown', 'method-not-allowed', 'internal']

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  readonly bytes: Uint8Array
  // The shape is checked against openapi.yaml; a test reads what it needs of it.
  // biome-ignore lint/suspicious/noExplicitAny: a parsed answer
  readonly json: any
}

export interface TestServer {
  readonly url: string
  readonly engines: FakeEngines
  readonly store: PredictionFolder
  readonly logLines: string[]
  readonly clock: { now: Date }
  readonly gateway: FakeGateway
  /** As where the server was started without one. */
  closeGateway(): void
  stop(): void
  /** How many are open at the server's end. */
  connections(): Promise<number>
  ask(path: string, init?: RequestInit): Promise<Answer>
  /** Posts an image to the first sample model. */
  predict(body: Uint8Array, query?: string, type?: string): Promise<Answer>
  close(): Promise<void>
}

export async function openTestServer(changes: Partial<HttpContext> = {}, limits: Partial<ServerLimits> = {}): Promise<TestServer> {
  const folder = mkdtempSync(join(tmpdir(), 'attending-http-'))
  const clock = { now: new Date('2026-01-02T03:04:05.678Z') }
  const engines = createFakeEngines()
  const store = await openPredictionFolder({ folder, retentionMs: HOUR_MS, maxBytes: 100_000_000, now: () => clock.now })
  const logLines: string[] = []
  const write = (fields: object, message: string): void => void logLines.push(JSON.stringify({ ...fields, message }))
  const stopping = new AbortController()
  const gateway = createFakeGateway()
  let isGatewayOpen = true
  const newId = (): string => randomBytes(16).toString('hex')
  const context: HttpContext = {
    engines,
    store,
    explanations: openExplanationDesk({
      engines,
      store,
      atOnce: 1,
      queueLimit: 1,
      deadlineMs: HOUR_MS,
      now: () => clock.now,
      newId,
      log: { info: write, warn: write, error: write },
      stopping: stopping.signal,
    }),
    models: sampleModels,
    log: { info: write, warn: write, error: write },
    now: () => clock.now,
    newId,
    resultEnvironment: (createdAt) => ({ createdAt, utcOffsetMinutes: 60, deviceSerialNumber: 'test' }),
    get gateway() {
      return isGatewayOpen ? gateway : null
    },
    stopping: stopping.signal,
    openApiText,
    maxBodyBytes: 256 * 1024,
    maxBufferedBytes: 1024 * 1024,
    hasProcessMetrics: false,
    ...changes,
  }
  const server = createHttpServer(createApp(context), { ...SERVER_LIMITS, ...limits }, newId)
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ask = async (path: string, init: RequestInit = {}): Promise<Answer> => {
    const answer = await toAnswer(await fetch(url + path, { redirect: 'manual', ...init }))
    checkAnswer(path, init.method ?? 'GET', answer)
    return answer
  }
  return {
    url,
    engines,
    store,
    logLines,
    clock,
    gateway,
    closeGateway: () => {
      isGatewayOpen = false
    },
    stop: () => {
      stopping.abort()
    },
    connections: () => new Promise((done, reject) => server.getConnections((error, count) => (error === null ? done(count) : reject(error)))),
    ask,
    predict: (body, query = '', type = 'image/png') =>
      ask(`/v1/models/${sampleModels[0]!.manifest.id}/predictions${query}`, { method: 'POST', headers: { 'content-type': type }, body: Buffer.from(body) }),
    close: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
      await rm(folder, { recursive: true })
    },
  }
}

async function toAnswer(response: Response): Promise<Answer> {
  const bytes = new Uint8Array(await response.arrayBuffer())
  const text = new TextDecoder().decode(bytes)
  const isJson = /json/.test(response.headers.get('content-type') ?? '')
  return { status: response.status, headers: response.headers, text, bytes, json: isJson && text !== '' ? JSON.parse(text) : null }
}

/** The operation whose path template the path fits. */
export function operationOf(path: string, method: string): Operation | undefined {
  const plain = path.split('?', 1)[0] ?? ''
  return openApi.operations.find((operation) => operation.method === method.toLowerCase().replace('head', 'get') && patternOf(operation.path).test(plain))
}

const patternOf = (template: string): RegExp => new RegExp(`^${template.replaceAll('.', '\\.').replace(/\{[a-z]+\}/g, '[^/]+')}$`)

/** Failures that a standard gives a body of its own: STOW-RS lists the refused instances (PS3.18 table 10.5.3-1). */
export const isOwnAnswer = (operation: Operation | undefined, status: number): boolean => operation?.operationId === 'storeInstances' && status === 409

/** Throws where an answer isn't one that openapi.yaml promises: its status, its media type, its shape, its code. */
export function checkAnswer(path: string, method: string, answer: Answer): void {
  const operation = operationOf(path, method)
  const type = (answer.headers.get('content-type') ?? '').split(';')[0] ?? ''
  if (answer.status >= 400 && !isOwnAnswer(operation, answer.status)) checkProblem(operation, answer, type)
  if (operation === undefined || answer.status >= 300) return
  const place = `#/paths/${encodeURIComponent(operation.path.replaceAll('/', '~1'))}/${operation.method}/responses/${answer.status}`
  if (!operation.statuses.includes(answer.status)) throw new Error(`${operation.operationId} promises no ${answer.status}`)
  const validate = validatorAt(`openapi.yaml${place}/content/${encodeURIComponent(type.replaceAll('/', '~1'))}/schema`)
  if (answer.json !== null && !validate(answer.json)) throw new Error(`${operation.operationId}: ${ajv.errorsText(validate.errors)}`)
}

const validators = new Map<string, ReturnType<typeof ajv.compile>>()

/** Compiled once: those who ask ten thousand times get ten thousand answers. */
function validatorAt(reference: string): ReturnType<typeof ajv.compile> {
  const validate = validators.get(reference) ?? ajv.compile({ $ref: reference })
  validators.set(reference, validate)
  return validate
}

/** What of `value` breaks the schema of this name in openapi.yaml; empty where nothing does. */
export function schemaErrors(schema: string, value: unknown): string {
  const validate = ajv.compile({ $ref: `openapi.yaml#/components/schemas/${schema}` })
  return validate(value) ? '' : ajv.errorsText(validate.errors)
}

const validateProblem = ajv.compile({ $ref: 'openapi.yaml#/components/schemas/Problem' })
/** What no failure may show: a path of this machine, a stack, a module. */
const INTERNALS = /\/(?:work|home|tmp|usr|root|node_modules)\/|\n\s+at |\.ts:\d|node:internal/

function checkProblem(operation: Operation | undefined, answer: Answer, type: string): void {
  const isDocument: boolean = validateProblem(answer.json)
  if (type !== 'application/problem+json' || !isDocument) throw new Error(`no problem document: ${answer.status} ${type} ${answer.text}`)
  const code = answer.json.code as ProblemCode
  if (INTERNALS.test(answer.text)) throw new Error(`a problem shows internals: ${answer.text}`)
  if (answer.json.status !== answer.status) throw new Error('the document and the answer differ in status')
  if (EVERYWHERE.includes(code)) return
  if (operation === undefined) throw new Error(`${code} outside every operation`)
  if (!operation.problemCodes.includes(code) || !operation.statuses.includes(answer.status)) throw new Error(`${operation.operationId} promises no ${answer.status} ${code}`)
}
