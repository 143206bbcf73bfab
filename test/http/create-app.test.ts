import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../src/http/create-app.ts'
import { toExpressPath } from '../../src/http/open-api.ts'
import { PROBLEM_TABLE, PUBLIC_CODES } from '../../src/http/problem-table.ts'
import { COLORMAP_NAMES } from '../../src/render/colormaps.ts'
import { createFakeEngines, noExplanations } from './support/fake-engines.ts'
import { isOwnAnswer, openApi, openApiText, openTestServer, type TestServer } from './support/open-test-server.ts'
import { MODEL_ID, pngBytes, sampleModels } from './support/sample-prediction.ts'

/** Codes that the PACS writes into a job's record: no route answers with them. */
const WITHOUT_A_ROUTE = ['pacs-unreachable', 'pacs-refused']

describe('openapi.yaml and the router', () => {
  interface Layer {
    readonly route?: { readonly path: string; readonly stack: readonly { readonly method: string | undefined }[] }
  }
  const routesOf = (): string[] => {
    const app = createApp({
      engines: createFakeEngines(),
      store: { keep: async () => undefined, findAnswer: () => Promise.reject(), findArtifacts: () => Promise.reject(), findOrigin: () => Promise.reject() },
      explanations: noExplanations,
      models: sampleModels,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      now: () => new Date(0),
      newId: () => '0'.repeat(32),
      resultEnvironment: (createdAt) => ({ createdAt, utcOffsetMinutes: 0, deviceSerialNumber: 'test' }),
      gateway: null,
      stopping: new AbortController().signal,
      openApiText,
      maxBodyBytes: 1,
      maxBufferedBytes: 1,
      hasProcessMetrics: false,
    })
    const layers = app.router.stack as unknown as readonly Layer[]
    return layers.flatMap(({ route }) => (route === undefined ? [] : route.stack.filter(({ method }) => method !== undefined).map(({ method }) => `${method} ${route.path}`)))
  }

  it('name the same routes and methods, in both directions', () => {
    const documented = openApi.operations.map(({ method, path }) => `${method} ${toExpressPath(path)}`)
    // The one route besides them only leads to /docs/.
    expect(routesOf().sort()).toEqual([...documented, 'get /docs'].sort())
    expect(documented.length).toBeGreaterThan(10)
  })

  it('agree on the status of every problem code that an operation lists', () => {
    for (const operation of openApi.operations) {
      const { operationId, statuses, problemCodes } = operation
      const needed = new Set(problemCodes.map((code) => PROBLEM_TABLE[code].status))
      expect({ operationId, failures: statuses.filter((status) => status >= 400 && !isOwnAnswer(operation, status)).sort() }).toEqual({ operationId, failures: [...needed].sort() })
    }
  })

  it('list each code that can leave the server, and none that stays inside', () => {
    const listed = new Set(openApi.operations.flatMap(({ problemCodes }) => problemCodes))
    const everywhere = openApi.document['x-problem-codes-everywhere'] as string[]
    expect([...new Set([...listed, ...everywhere, ...WITHOUT_A_ROUTE])].sort()).toEqual([...PUBLIC_CODES].sort())
  })
})

describe('openapi.yaml and the renderer', () => {
  it('name the same color maps', () => {
    const colormap = openApi.operations.find(({ operationId }) => operationId === 'getMap')?.parameters.find(({ name }) => name === 'colormap')
    expect(colormap?.schema.enum).toEqual([...COLORMAP_NAMES, 'okabe-ito'])
  })
})

describe('the routes', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await openTestServer()
  })
  afterAll(() => server.close())

  it('list the models with where to find more', async () => {
    const { json } = await server.ask('/v1/models')
    expect(json.models.map((model: { id: string }) => model.id)).toEqual([MODEL_ID, 'sbm-vit-tiny-patch4-28.sample-v1'])
    expect(json.models[0].href).toEqual({ model: `/v1/models/${MODEL_ID}`, card: `/v1/models/${MODEL_ID}/card`, predictions: `/v1/models/${MODEL_ID}/predictions` })
    expect(json.models[1].href.card).toBeNull()
  })

  it('give a manifest as it was released', async () => {
    const { json } = await server.ask(`/v1/models/${MODEL_ID}`)
    expect(json).toEqual(JSON.parse(JSON.stringify(sampleModels[0]!.manifest)))
  })

  it('give the model card as Markdown, and say so where there is none', async () => {
    const card = await server.ask(`/v1/models/${MODEL_ID}/card`)
    expect([card.status, card.headers.get('content-type'), card.text]).toEqual([200, 'text/markdown; charset=utf-8', '# A sample\n'])
    const none = await server.ask('/v1/models/sbm-vit-tiny-patch4-28.sample-v1/card')
    expect([none.status, none.json.code]).toEqual([404, 'model-unknown'])
  })

  it('answer health at once, and readiness with the models and the engines', async () => {
    expect((await server.ask('/healthz')).json).toEqual({ status: 'alive' })
    const ready = await server.ask('/readyz')
    expect(ready.json).toMatchObject({ status: 'ready', models: sampleModels.map(({ manifest }) => manifest.id), engines: { ready: 2 } })
  })

  it('are not ready while no engine is', async () => {
    const figures = server.engines.figures
    server.engines.figures = { ...figures, ready: 0 }
    const answer = await server.ask('/readyz')
    server.engines.figures = figures
    expect([answer.status, answer.json.code]).toEqual([503, 'model-not-ready'])
  })

  it('count requests by route template, status and problem code, and the stages of predictions', async () => {
    await server.predict(pngBytes)
    await server.ask('/v1/models/no-such-model')
    const { text } = await server.ask('/metrics')
    expect(text).toMatch(/http_request_duration_seconds_count\{route="\/v1\/models\/\{model\}\/predictions",method="POST",status="200"\} 1/)
    expect(text).toMatch(/attending_problems_total\{code="model-unknown"\} [1-9]/)
    expect(text).toMatch(new RegExp(`attending_stage_duration_seconds_count\\{model="${MODEL_ID}",stage="infer"\\} 1`))
    expect(text).toMatch(/^attending_queue_depth 0$/m)
    expect(text).toMatch(/^attending_explanations\{state="running"\} 0$/m)
    expect(text).not.toContain('no-such-model')
  })

  it('serve their own description, byte for byte', async () => {
    const { headers, text } = await server.ask('/openapi.yaml')
    expect(headers.get('content-type')).toBe('application/yaml; charset=utf-8')
    expect(text).toBe(openApiText)
  })

  it('serve Swagger UI whole from this server', async () => {
    expect((await server.ask('/docs')).headers.get('location')).toBe('/docs/')
    const { text, headers } = await server.ask('/docs/')
    const files = [...text.matchAll(/(?:href|src)="\.\/([^"]+)"/g)].map((match) => match[1] ?? '')
    expect(files.length).toBeGreaterThan(3)
    for (const file of files) expect((await server.ask(`/docs/${file}`)).status).toBe(200)
    // Only the names of XML namespaces look like foreign addresses.
    expect([...text.matchAll(/https?:\/\/[^"' )]+/g)].map(([url]) => url).filter((url) => !url.includes('www.w3.org'))).toEqual([])
    expect(headers.get('content-security-policy')).toContain("default-src 'self'")
    const init = (await server.ask('/docs/swagger-ui-init.js')).text
    expect(init).toContain('"validatorUrl": null')
    expect(init).toContain('createPrediction')
  })

  it('explain every problem on a page of its own, and no fault by its inner name', async () => {
    for (const code of PUBLIC_CODES) {
      const { status, text } = await server.ask(`/problems/${code}`)
      expect({ code, status }).toEqual({ code, status: 200 })
      expect(text).toContain(PROBLEM_TABLE[code].title)
    }
    expect((await server.ask('/problems/engine-lost')).status).toBe(404)
  })

  it('say on the first page what this is, with the models and the notice, and nothing unescaped', async () => {
    const { text, headers } = await server.ask('/')
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(text).toContain('Research use only. Not for diagnosis.')
    expect(text).toContain(`/v1/models/${MODEL_ID}/card`)
    expect(text).toContain('Research on &#60;chest&#62; &#38; &#34;hand&#34; radiographs.')
    expect((await server.ask('/style.css')).headers.get('content-type')).toBe('text/css; charset=utf-8')
  })

  it('send the security headers with every answer, whatever its status', async () => {
    for (const path of ['/', '/v1/models', '/docs/', '/no-such-route', '/v1/predictions/x', '/healthz']) {
      const { headers } = await server.ask(path)
      expect(headers.get('content-security-policy')).toMatch(/default-src 'self'.*frame-ancestors 'none'/)
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('x-powered-by')).toBeNull()
      expect(headers.get('access-control-allow-origin')).toBeNull()
    }
  })

  it('refuse another method with 405 and say which they answer', async () => {
    for (const { path } of openApi.operations) {
      const plain = path.replace('{model}', MODEL_ID).replace('{id}', '0'.repeat(32)).replace('{map}', 'communities').replace('{format}', 'png').replace('{code}', 'internal')
      const methods = openApi.operations.filter((operation) => operation.path === path).map(({ method }) => (method === 'get' ? 'GET, HEAD' : method.toUpperCase()))
      for (const method of ['PUT', 'PATCH', 'DELETE'].filter((each) => !methods.includes(each))) {
        const answer = await server.ask(plain, { method })
        expect({ path, status: answer.status, code: answer.json.code, allow: answer.headers.get('allow') }).toEqual({
          path,
          status: 405,
          code: 'method-not-allowed',
          allow: methods.join(', '),
        })
      }
    }
  })

  it('answer a path that nobody serves with 404 and no echo of it', async () => {
    const answer = await server.ask('/DOE-JANE?name=DOE')
    expect([answer.status, answer.json.code]).toEqual([404, 'route-unknown'])
    expect(answer.text).not.toContain('DOE')
  })
})
