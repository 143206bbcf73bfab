/** Everything joined: openapi.yaml gives the routes, the handlers do their work, every failure leaves as problem+json. */
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import swaggerUi from 'swagger-ui-express'
import { type Log, toLogFrames } from '../domain/log.ts'
import { Problem } from '../domain/problem.ts'
import { ByteBudget } from './byte-collector.ts'
import { factsOf, type Handler, openFacts, signalOf } from './call.ts'
import { cancelExplanationHandler, getExplanationHandler, getExplanationMapHandler, listExplanationsHandler, orderExplanationHandler } from './explanation-routes.ts'
import type { HttpContext } from './http-context.ts'
import { followJobHandler } from './job-events.ts'
import { cancelJobHandler, getJobHandler, listJobsHandler, replayJobHandler, submitJobHandler } from './job-routes.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { getModelCardHandler, getModelHandler, listModelsHandler } from './model-routes.ts'
import { type OpenApi, type Operation, readOpenApi, toExpressPath } from './open-api.ts'
import { getHealth, getIcon, getLandingHandler, getMetricsHandler, getOpenApiHandler, getProblemPage, getReadinessHandler, getStyle } from './operation-routes.ts'
import { createPredictionHandler, getMapHandler, getPredictionHandler } from './prediction-routes.ts'
import { sendProblem, toProblem } from './problem-json.ts'
import { PROBLEM_TABLE, toPublicCode } from './problem-table.ts'
import { createBodyChecker } from './read-json.ts'
import { createParameterReaders, type ReadParameters } from './read-parameters.ts'
import { getResultHandler } from './result-routes.ts'
import { allowDocs, setSecurityHeaders } from './security-headers.ts'
import { storeInstancesHandler } from './store-routes.ts'

/** The status in the log for a client that went before it had its answer; it never goes over the wire. */
const CLIENT_GONE = 499

export function createApp(context: HttpContext): Express {
  const openApi = readOpenApi(context.openApiText)
  const metrics = createMetrics(context.engines, context.explanations, context.gateway?.jobs ?? null, context.hasProcessMetrics)
  const app = express()
  app.disable('x-powered-by')
  app.set('etag', false)
  app.set('query parser', 'simple')
  app.enable('strict routing')
  app.enable('case sensitive routing')
  app.use(recordRequests(context, metrics), setSecurityHeaders, refuseHead)
  addDocsAssets(app, openApi)
  addOperations(app, openApi, handlersOf(context, openApi, metrics))
  app.use(refuseRoute)
  app.use(answerFailure(context.log))
  return app
}

function handlersOf(context: HttpContext, openApi: OpenApi, metrics: Metrics): Readonly<Record<string, Handler>> {
  const budget = new ByteBudget(context.maxBufferedBytes)
  return {
    createPrediction: createPredictionHandler(context, budget, metrics),
    getPrediction: getPredictionHandler(context),
    getMap: getMapHandler(context),
    getResult: getResultHandler(context),
    orderExplanation: orderExplanationHandler(context),
    listExplanations: listExplanationsHandler(context),
    getExplanation: getExplanationHandler(context),
    cancelExplanation: cancelExplanationHandler(context),
    getExplanationMap: getExplanationMapHandler(context),
    submitJob: submitJobHandler(context, budget, createBodyChecker(openApi, 'Pull')),
    listJobs: listJobsHandler(context),
    getJob: getJobHandler(context),
    cancelJob: cancelJobHandler(context),
    replayJob: replayJobHandler(context),
    followJob: followJobHandler(context),
    storeInstances: storeInstancesHandler(context, budget),
    listModels: listModelsHandler(context.models),
    getModel: getModelHandler(context.models),
    getModelCard: getModelCardHandler(context.models),
    getHealth,
    getReadiness: getReadinessHandler(context),
    getMetrics: getMetricsHandler(metrics),
    getProblemPage,
    getLanding: getLandingHandler(context),
    getStyle,
    getIcon,
    getDocs: docsHandler(openApi),
    getOpenApi: getOpenApiHandler(context),
  }
}

/** One line and one measurement for each request, when its answer is out or its client gone. */
function recordRequests({ log, newId }: HttpContext, metrics: Metrics): RequestHandler {
  return (request, response, next) => {
    const startedAtMs = performance.now()
    const facts = openFacts(response, newId())
    response.setHeader('X-Request-Id', facts.requestId)
    response.once('close', () => {
      const status = response.writableFinished ? response.statusCode : CLIENT_GONE
      const durationMs = performance.now() - startedAtMs
      const { requestId, route, model, code } = facts
      metrics.observeRequest(facts, request.method, status, durationMs)
      log.info({ requestId, method: request.method, route, status, ms: Math.round(durationMs), model, code }, 'request')
    })
    next()
  }
}

/** What HTTP has a server refuse before it looks at the route (RFC 9112 section 3.2, RFC 9110 section 10.1.1). */
const refuseHead: RequestHandler = ({ httpVersion, headersDistinct, headers }, _response, next) => {
  const hosts = headersDistinct['host']?.length ?? 0
  if (hosts > 1 || (hosts === 0 && httpVersion === '1.1')) throw new Problem('request-malformed', 'a request names its host once', {})
  if (headers.expect !== undefined && !CONTINUE.test(headers.expect)) throw new Problem('request-malformed', 'of the expectations only 100-continue is known', {})
  next()
}

/** As Node has it, which answers it with 100. */
const CONTINUE = /(?:^|\W)100-continue(?:$|\W)/i

/** Each operation of the document with the handler of its name; a document and handlers that differ are a fault at the start. */
function addOperations(app: Express, openApi: OpenApi, handlers: Readonly<Record<string, Handler>>): void {
  const readers = createParameterReaders(openApi)
  const unused = new Set(Object.keys(handlers))
  for (const path of new Set(openApi.operations.map((operation) => operation.path))) {
    const operations = openApi.operations.filter((operation) => operation.path === path)
    const route = app.route(toExpressPath(path))
    for (const operation of operations) {
      const handler = handlers[operation.operationId]
      const read = readers.get(operation.operationId)
      if (handler === undefined || read === undefined) throw new Problem('internal', `openapi.yaml has ${operation.operationId}, which no handler serves`, {})
      unused.delete(operation.operationId)
      route[operation.method](toRequestHandler(operation, read, handler))
    }
    route.all(refuseMethod(operations))
  }
  if (unused.size > 0) throw new Problem('internal', `openapi.yaml lacks ${[...unused].join(', ')}`, {})
}

function toRequestHandler(operation: Operation, read: ReadParameters, handle: Handler): RequestHandler {
  return async (request, response) => {
    const facts = factsOf(response)
    facts.route = operation.path
    const parameters = read({ path: request.params, query: request.query })
    await handle({ request, response, parameters, facts, signal: signalOf(response) })
  }
}

function refuseMethod(operations: readonly Operation[]): RequestHandler {
  const allowed = operations.flatMap(({ method }) => (method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]))
  return (_request, response) => {
    factsOf(response).route = operations[0]?.path ?? ''
    throw new Problem('method-not-allowed', `this route answers ${allowed.join(', ')}`, { allowed })
  }
}

const refuseRoute: RequestHandler = () => {
  throw new Problem('route-unknown', 'there is no such route', {})
}

/** The one place where failures of requests end. */
function answerFailure(log: Log): ErrorRequestHandler {
  return (error, request, response, _next) => {
    const facts = factsOf(response)
    const problem = toProblem(error)
    facts.code = toPublicCode(problem.code)
    const isGone = response.destroyed || response.writableEnded
    if (!isGone && PROBLEM_TABLE[facts.code].actor === 'us') log.error({ requestId: facts.requestId, code: problem.code, frames: toLogFrames(error) }, 'request failed')
    if (isGone) return
    // An answer that has begun can't become another one.
    if (response.headersSent) response.destroy()
    else sendProblem(response, problem, facts.requestId)
    // What is left of a body is read and dropped, so that the client gets to its answer.
    request.resume()
  }
}

/** Swagger UI's own files, from this server alone. Its page is an operation of the document like the others. */
function addDocsAssets(app: Express, openApi: OpenApi): void {
  const assets = swaggerUi.serveFiles(openApi.document, { swaggerOptions: SWAGGER_OPTIONS })
  app.get('/docs', (_request, response) => response.redirect(308, '/docs/'))
  app.use('/docs', (_request, response, next) => {
    factsOf(response).route = '/docs/'
    allowDocs(response)
    next()
  })
  app.use('/docs', ...assets)
}

const SWAGGER_OPTIONS = { validatorUrl: null, deepLinking: true, displayRequestDuration: true }

function docsHandler(openApi: OpenApi): Handler {
  const html = swaggerUi.generateHTML(openApi.document, { customSiteTitle: 'attending: the interface', swaggerOptions: SWAGGER_OPTIONS })
  return ({ response }) => void response.type('html').send(html)
}
