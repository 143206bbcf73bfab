import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Problem } from '../../src/domain/problem.ts'
import { HOUR_MS, openTestServer, type TestServer } from './support/open-test-server.ts'
import { dicomBytes, jpegBytes, MODEL_ID, pngBytes, samplePrediction } from './support/sample-prediction.ts'

let server: TestServer
beforeEach(async () => {
  server = await openTestServer()
})
afterEach(() => server.close())

const asForm = (bytes: Uint8Array, name = 'file'): RequestInit => {
  const form = new FormData()
  form.append(name, new Blob([Buffer.from(bytes)], { type: 'image/png' }), 'DOE^JANE.png')
  return { method: 'POST', body: form }
}

describe('a prediction', () => {
  it('answers with every field of the interface', async () => {
    const { status, json, headers } = await server.predict(pngBytes)
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(json.createdAt).toBe('2026-01-02T03:04:05.678Z')
    expect(json.model).toEqual(samplePrediction.model)
    expect(json.classes).toEqual(samplePrediction.explanation.classes)
    expect(json.predictedClass).toBe('pneumonia')
    expect(json.counterfactual.classes[0].deltaLogit).toBe(0.5)
    expect(json.communities).toEqual(samplePrediction.explanation.communities)
    expect(json.uncertainty).toBeNull()
    expect(json.input.placement.left).toBe(1)
    expect(json.maps[0]).toMatchObject({ name: 'communities', kind: 'categorical', heads: 3, range: null })
    expect(json.maps[0].href.png).toBe(`/v1/predictions/${json.id}/maps/communities.png`)
    expect(json.notice).toBe('Research use only. Not for diagnosis.')
  })

  it('leads to itself and to its explanations, where one is ordered and then listed', async () => {
    const { json } = await server.predict(pngBytes)
    expect((await server.ask(json.href.self)).json).toEqual(json)
    expect((await server.ask(json.href.explanations)).json).toEqual({ explanations: [] })
    const ordered = await server.ask(`${json.href.explanations}?method=occlusion`, { method: 'POST' })
    expect([ordered.status, ordered.json.href.prediction]).toEqual([202, json.href.self])
    expect((await server.ask(json.href.explanations)).json.explanations.map(({ id }: { id: string }) => id)).toEqual([ordered.json.id])
  })

  it('says of each map the numbers that belong to it: place in the network, class, limits, formula, figures, and the hash of its grid', async () => {
    const { json } = await server.predict(pngBytes)
    const [communities, attention, delta] = json.maps
    expect(attention).toMatchObject({ shape: [2, 2], layer: 1, head: null, headRange: null, explainedClass: null, marks: [], formula: 'attention/1', numbers: {} })
    expect(delta.explainedClass).toEqual({ index: 1, name: 'pneumonia' })
    expect(attention.statistics).toMatchObject({ min: 0, max: 1, sum: 1.75, highest: { row: 1, column: 1 } })
    expect(communities.statistics).toBeNull()
    // 0, 0.25, 0.5 and 1 in IEEE 754 single precision, little endian.
    expect(attention.gridSha256).toBe(createHash('sha256').update(Buffer.from('000000000000803e0000003f0000803f', 'hex')).digest('hex'))
  })

  it('takes DICOM, PNG and JPEG, raw and as the one part of a form, and hands the engine the same bytes', async () => {
    await server.predict(dicomBytes, '', 'application/dicom')
    await server.predict(jpegBytes, '', 'image/jpeg')
    await server.ask(`/v1/models/${MODEL_ID}/predictions`, asForm(pngBytes))
    expect(server.engines.predictions.map(({ bytes }) => [...bytes])).toEqual([[...dicomBytes], [...jpegBytes], [...pngBytes]])
  })

  it('goes by the bytes where the declared type is another one that is accepted', async () => {
    expect((await server.predict(jpegBytes, '', 'image/png')).status).toBe(200)
  })

  it('hands on the options as they were asked for, and the defaults where they were not', async () => {
    await server.predict(pngBytes)
    await server.predict(pngBytes, '?frame=3&maps=attention,delta&class=normal&seed=4294967295')
    expect(server.engines.predictions.map(({ options }) => options)).toEqual([
      { frame: 1, maps: null, explainedClass: null, seed: 0, samples: 0 },
      { frame: 3, maps: ['attention', 'delta'], explainedClass: 'normal', seed: 4294967295, samples: 0 },
    ])
  })

  it('takes samples only for a network that draws masks', async () => {
    const refused = await server.predict(pngBytes, '?samples=8')
    expect([refused.status, refused.json.parameter]).toEqual([400, 'samples'])
    const drawn = await server.ask('/v1/models/sbm-vit-tiny-patch4-28.sample-v1/predictions?samples=8', {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: Buffer.from(pngBytes),
    })
    expect(drawn.status).toBe(200)
    expect(server.engines.predictions.at(-1)?.options.samples).toBe(8)
  })

  it.each([
    ['frame', '?frame=0'],
    ['frame', '?frame=1.5'],
    ['frame', '?frame=one'],
    ['frame', '?frame='],
    ['frame', '?frame=1&frame=2'],
    ['maps', '?maps='],
    ['maps', '?maps=attention,attention'],
    ['class', '?class=fracture'],
    ['seed', '?seed=-1'],
    ['seed', '?seed=4294967296'],
    ['samples', '?samples=1e1'],
    ['store', '?store=no'],
    ['query', '?patientName=x'],
    ['query', '?__proto__=x'],
    ['query', '?frame[]=1'],
  ])('refuses a wrong %s (%s) by its name', async (parameter, query) => {
    const { status, json } = await server.predict(pngBytes, query)
    expect([status, json.code, json.parameter]).toEqual([400, 'parameter-invalid', parameter])
    expect(server.engines.predictions).toEqual([])
  })

  it('refuses a model that is not there before it reads the body', async () => {
    const { status, json } = await server.ask('/v1/models/none/predictions', { method: 'POST', headers: { 'content-type': 'image/png' }, body: Buffer.from(pngBytes) })
    expect([status, json.code]).toEqual([404, 'model-unknown'])
  })

  it('is refused before its body is read while the queue is full', async () => {
    server.engines.refuseIfFull = () => {
      throw new Problem('overloaded', '8 requests wait already', { retryAfterSeconds: 4 })
    }
    // Not even a body that is none is looked at.
    const { status, json, headers } = await server.predict(Buffer.from('no image'))
    expect([status, json.code, headers.get('retry-after')]).toEqual([429, 'overloaded', '4'])
  })

  it('is refused while the server stops', async () => {
    server.stop()
    const { status, json } = await server.predict(pngBytes)
    expect([status, json.code]).toEqual([503, 'model-not-ready'])
    expect((await server.ask('/readyz')).status).toBe(503)
    expect((await server.ask('/healthz')).status).toBe(200)
  })

  it('tells the engines when the client has gone', async () => {
    const seen = new Promise<AbortSignal>((resolve) => {
      server.engines.predict = (_request, signal) => {
        if (signal !== undefined) resolve(signal)
        return new Promise(() => undefined)
      }
    })
    const controller = new AbortController()
    const asked = fetch(`${server.url}/v1/models/${MODEL_ID}/predictions`, {
      method: 'POST',
      headers: { 'content-type': 'image/png' },
      body: Buffer.from(pngBytes),
      signal: controller.signal,
    }).catch((error: Error) => error.name)
    const signal = await seen
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    controller.abort()
    await aborted
    expect(await asked).toBe('AbortError')
  })
})

describe('store=false', () => {
  it('keeps nothing and brings the maps along as data URLs', async () => {
    const { json } = await server.predict(pngBytes, '?store=false')
    expect(json.maps[1].href.png).toBe(`data:image/png;base64,${Buffer.from('png of attention').toString('base64')}`)
    expect(json.maps[1].href.npy).toBe(`data:application/octet-stream;base64,${Buffer.from('npy of attention').toString('base64')}`)
    expect(json.maps[1].href.svg).toBeNull()
    expect(json.href).toBeNull()
    const again = await server.ask(`/v1/predictions/${json.id}`)
    expect([again.status, again.json.code]).toEqual([404, 'prediction-unknown'])
  })
})

describe('a picture that comes inline', () => {
  it.each([
    [600, 1024, 'source'],
    [1025, 600, 1024],
  ])('of an image of %i x %i is drawn in size %s', async (rows, columns, size) => {
    const display = { rows, columns, channels: 1 as const, pixels: new Uint8Array(rows * columns) }
    server.engines.predict = async () => ({ prediction: { ...samplePrediction, display }, origin: null })
    await server.predict(pngBytes, '?store=false')
    expect(new Set(server.engines.renders.map(({ options }) => options.size))).toEqual(new Set([size]))
  })
})

describe('a kept prediction', () => {
  it('is given again as it was', async () => {
    const first = await server.predict(pngBytes)
    const again = await server.ask(`/v1/predictions/${first.json.id}`)
    expect(again.text).toBe(first.text)
  })

  it('is gone with 410 after its time, and its maps with it, before and after the sweep', async () => {
    const { json } = await server.predict(pngBytes)
    server.clock.now = new Date(server.clock.now.getTime() + HOUR_MS)
    for (const sweep of [false, true]) {
      if (sweep) expect(await server.store.sweep()).toBe(1)
      for (const path of [`/v1/predictions/${json.id}`, json.maps[0].href.png]) {
        const gone = await server.ask(path)
        expect([gone.status, gone.json.code]).toEqual([410, 'prediction-expired'])
      }
    }
  })

  it('is unknown by an id that never was', async () => {
    const { status, json } = await server.ask(`/v1/predictions/${'f'.repeat(32)}`)
    expect([status, json.code]).toEqual([404, 'prediction-unknown'])
  })
})

describe('a map', () => {
  const mapPath = async (name: string): Promise<string> => {
    const { json } = await server.predict(pngBytes)
    return `/v1/predictions/${json.id}/maps/${name}`
  }

  it('comes in each format with its media type', async () => {
    const path = await mapPath('attention')
    for (const [format, type] of [
      ['png', 'image/png'],
      ['svg', 'image/svg+xml'],
      ['npy', 'application/octet-stream'],
      ['json', 'application/json'],
    ] as const) {
      const answer = await server.ask(`${path}.${format}`)
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, type])
    }
  })

  it('is drawn from what was kept: the same pixels, placement, grids and caption', async () => {
    const { json } = await server.predict(pngBytes)
    await server.ask(json.maps[0].href.png)
    const [request] = server.engines.renders
    expect(request?.display).toEqual(samplePrediction.display)
    expect(request?.placement).toEqual(samplePrediction.input.placement)
    expect(request?.map).toEqual(samplePrediction.explanation.maps[0])
    expect(request?.maps).toEqual(samplePrediction.explanation.maps)
    expect(request?.caption).toEqual({
      requestId: json.id,
      createdAt: json.createdAt,
      modelId: MODEL_ID,
      modelVersion: '1',
      graphSha256: 'a'.repeat(64),
      inputSha256: 'c'.repeat(64),
      predictedClass: samplePrediction.explanation.classes[1],
    })
  })

  it('is drawn with the options asked for, and with an overlay in the source grid by default', async () => {
    const path = await mapPath('communities')
    await server.ask(`${path}.png`)
    await server.ask(`${path}.png?style=panel&alpha=0.25&head=2&colormap=cividis&size=512&class=normal&strip=true`)
    await server.ask(`${path}.png?size=grid`)
    expect(server.engines.renders.map(({ options }) => options)).toEqual([
      { format: 'png', style: 'overlay', alpha: 0.5, head: null, colormap: null, size: 'source', strip: false },
      { format: 'png', style: 'panel', alpha: 0.25, head: 2, colormap: 'cividis', size: 512, strip: true },
      { format: 'png', style: 'overlay', alpha: 0.5, head: null, colormap: null, size: 'grid', strip: false },
    ])
  })

  it.each([
    ['style', 'communities.png?style=poster'],
    ['alpha', 'communities.png?alpha=1.01'],
    ['alpha', 'communities.png?alpha=-0.1'],
    ['alpha', 'communities.png?alpha=half'],
    ['head', 'communities.png?head=3'],
    ['head', 'attention.png?head=0'],
    ['head', 'communities.png?head=-1'],
    ['class', 'delta.png?class=normal'],
    ['class', 'communities.png?class=fracture'],
    ['colormap', 'communities.png?colormap=..%2F..%2Fetc'],
    ['size', 'communities.png?size=7'],
    ['size', 'communities.png?size=4097'],
    ['size', 'communities.png?size=huge'],
    ['strip', 'communities.png?strip=1'],
    ['format', 'communities.gif'],
    ['query', 'communities.png?frame=1'],
  ])('refuses a wrong %s (%s) by its name', async (parameter, rest) => {
    const path = await mapPath(rest)
    const { status, json } = await server.ask(path)
    expect([status, json.code, json.parameter]).toEqual([400, 'parameter-invalid', parameter])
    expect(server.engines.renders).toEqual([])
  })

  it('takes the class that its prediction explains', async () => {
    expect((await server.ask(`${await mapPath('delta')}.png?class=pneumonia`)).status).toBe(200)
  })

  it('says which maps there are where the name is none of them', async () => {
    const { status, json } = await server.ask(`${await mapPath('heat')}.png`)
    expect([status, json.code, json.available]).toEqual([404, 'map-unknown', ['communities', 'attention', 'delta']])
  })

  it('answers HEAD like GET, without the body', async () => {
    const answer = await server.ask(`${await mapPath('attention')}.png`, { method: 'HEAD' })
    expect([answer.status, answer.headers.get('content-length'), answer.bytes.length]).toEqual([200, String('png of attention'.length), 0])
  })
})
