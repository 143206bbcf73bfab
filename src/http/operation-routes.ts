/** Health, readiness, figures, the interface's own description, and the pages for people. */
import { Problem, type ProblemCode } from '../domain/problem.ts'
import type { Handler } from './call.ts'
import type { HttpContext } from './http-context.ts'
import type { Metrics } from './metrics.ts'
import { ICON, landingPage, problemPage, STYLE_SHEET } from './pages.ts'
import { PUBLIC_CODES } from './problem-table.ts'

export const getHealth: Handler = ({ response }) => void response.json({ status: 'alive' })

export function getReadinessHandler(context: HttpContext): Handler {
  return ({ response }) => {
    if (context.stopping.aborted) throw new Problem('model-not-ready', 'the server is stopping', {})
    const engines = context.engines.stats()
    if (engines.ready === 0) throw new Problem('model-not-ready', 'no engine is ready', {})
    response.json({ status: 'ready', models: context.models.map(({ manifest }) => manifest.id), engines })
  }
}

export function getMetricsHandler(metrics: Metrics): Handler {
  return async ({ response }) => {
    response.setHeader('Content-Type', metrics.contentType)
    response.send(await metrics.text())
  }
}

export const getProblemPage: Handler = ({ parameters, response }) => {
  const code = PUBLIC_CODES.find((each): each is ProblemCode => each === parameters['code'])
  if (code === undefined) throw new Problem('route-unknown', 'there is no problem of this code', {})
  response.type('html').send(problemPage(code))
}

export function getLandingHandler(context: HttpContext): Handler {
  const page = landingPage(context.models)
  return ({ response }) => void response.type('html').send(page)
}

export const getStyle: Handler = ({ response }) => void response.type('css').send(STYLE_SHEET)

export const getIcon: Handler = ({ response }) => {
  response.setHeader('Content-Type', 'image/svg+xml')
  response.send(Buffer.from(ICON))
}

export function getOpenApiHandler(context: HttpContext): Handler {
  return ({ response }) => {
    response.setHeader('Content-Type', 'application/yaml; charset=utf-8')
    response.send(context.openApiText)
  }
}
