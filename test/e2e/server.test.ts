import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildChestPhantom, chestPhantomPixels } from '../../src/demo/chest-phantom.ts'
import type { PredictionAnswer } from '../../src/domain/answer.ts'
import { schemaErrors } from '../http/support/open-test-server.ts'
import { corpusFile, hasCorpus } from '../support/corpus.ts'
import { failToStart, type RunningServer, startServer } from './support/start-server.ts'
import { TINY_DCMM, TINY_SBM, writeTinyBundles } from './support/write-tiny-bundle.ts'

const ROWS = 120
const COLUMNS = 96
const phantom = { rows: ROWS, columns: COLUMNS, seed: 3, opacity: 0.8 }
const dicom = buildChestPhantom(phantom)

let folder: string
let server: RunningServer
const environment = (): Record<string, string> => ({ ATTENDING_MODELS_DIR: join(folder, 'models'), ATTENDING_DATA_DIR: join(folder, 'data'), ATTENDING_ENGINES: '2' })
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'attending-e2e-'))
  writeTinyBundles(join(folder, 'models'))
  server = await startServer(environment())
})
afterAll(async () => {
  await server.stop()
  rmSync(folder, { recursive: true })
})

const post = (body: Uint8Array, type: string, query = '', model = TINY_DCMM, url = server.url): Promise<Response> =>
  fetch(`${url}/v1/models/${model}/predictions${query}`, { method: 'POST', headers: { 'content-type': type }, body: Buffer.from(body) })
const predict = async (body: Uint8Array, type: string, query = '', model = TINY_DCMM): Promise<PredictionAnswer> => {
  const response = await post(body, type, query, model)
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
  const answer = (await response.json()) as PredictionAnswer
  if (schemaErrors('Prediction', answer) !== '') throw new Error(schemaErrors('Prediction', answer))
  return answer
}
const get = async (path: string): Promise<Buffer> => Buffer.from(await (await fetch(server.url + path)).arrayBuffer())
const probabilities = ({ classes }: PredictionAnswer): number[] => classes.map(({ probability }) => probability)
/** Width and height as PNG's first chunk has them (ISO/IEC 15948, 11.2.2). */
const sizeOfPng = (bytes: Buffer): [rows: number, columns: number] => [bytes.readUInt32BE(20), bytes.readUInt32BE(16)]

/** The phantom as a 16-bit PNG: 12 bits stretched over 16, as its window stretches them over the display. */
const phantomPng = (): Promise<Buffer> => {
  const wide = Uint16Array.from(chestPhantomPixels(phantom), (value) => Math.round((value / 4095) * 65_535))
  return sharp(wide, { raw: { width: COLUMNS, height: ROWS, channels: 1 } })
    .toColourspace('grey16')
    .png()
    .toBuffer()
}

describe('the server', () => {
  it('answers a DICOM image with probabilities, the model and four maps in the grid of the source', async () => {
    const answer = await predict(dicom, 'application/dicom')
    expect(probabilities(answer).reduce((sum, value) => sum + value)).toBeCloseTo(1, 6)
    expect(answer.input).toMatchObject({ format: 'dicom', rows: ROWS, columns: COLUMNS, modality: 'DX' })
    expect(answer.model.graphSha256).toMatch(/^[0-9a-f]{64}$/)
    const names = answer.maps.map(({ name }) => name)
    for (const name of ['communities', 'attention', 'degree', 'delta']) {
      expect(names).toContain(name)
      expect(sizeOfPng(await get(`/v1/predictions/${answer.id}/maps/${name}.png`))).toEqual([ROWS, COLUMNS])
    }
  })

  it('gives each map as PNG, SVG, NumPy and JSON, the same bytes each time', async () => {
    const answer = await predict(dicom, 'application/dicom')
    const map = answer.maps.find(({ name }) => name === 'attention')
    expect((await get(map?.href.svg ?? '')).toString('utf8')).toContain('<svg')
    expect((await get(map?.href.npy ?? '')).subarray(0, 6).toString('latin1')).toBe('\x93NUMPY')
    const grid = JSON.parse((await get(map?.href.json ?? '')).toString('utf8'))
    expect(grid).toMatchObject({ name: 'attention', shape: [4, 4] })
    expect(schemaErrors('MapGrid', grid)).toBe('')
    const communities = JSON.parse((await get(map?.href.json.replace('attention', 'communities') ?? '')).toString('utf8'))
    expect(communities.memberships.length).toBe(answer.communities.length)
    expect(schemaErrors('MapGrid', communities)).toBe('')
    const png = await get(map?.href.png ?? '')
    expect((await get(map?.href.png ?? '')).equals(png)).toBe(true)
    expect((await get(`${map?.href.png}?style=panel&head=1`)).length).toBeGreaterThan(png.length)
  })

  it('gives the same probabilities for the same image as DICOM and as 16-bit PNG', async () => {
    const [fromDicom, fromPng] = [await predict(dicom, 'application/dicom'), await predict(await phantomPng(), 'image/png')]
    expect(fromPng.input).toMatchObject({ format: 'png', rows: ROWS, columns: COLUMNS, bitsStored: 16 })
    // The PNG's steps are 1/65535 of the range: far finer than these digits.
    probabilities(fromPng).forEach((value, i) => void expect(value).toBeCloseTo(probabilities(fromDicom)[i] ?? Number.NaN, 5))
  })

  it('takes a JPEG too, and says that its modality is not known', async () => {
    const jpeg = await sharp(Buffer.from(await phantomPng()))
      .jpeg({ quality: 95 })
      .toBuffer()
    const answer = await predict(jpeg, 'image/jpeg')
    expect(answer.input.format).toBe('jpeg')
    expect(answer.input.warnings.map(({ code }) => code)).toContain('modality-unknown')
  })

  it('draws masks for an uncertainty, and the same ones for the same seed', async () => {
    const ask = (seed: number): Promise<PredictionAnswer> => predict(dicom, 'application/dicom', `?samples=4&seed=${seed}&store=false`, TINY_SBM)
    const [first, again, other] = [await ask(1), await ask(1), await ask(2)]
    expect(first.uncertainty?.samples).toBe(4)
    expect(first.uncertainty).toEqual(again.uncertainty)
    expect(other.uncertainty).not.toEqual(first.uncertainty)
    expect(first.maps[0]?.href.png).toMatch(/^data:image\/png;base64,/)
  })

  it('explains the class that is asked for, and only that', async () => {
    const answer = await predict(dicom, 'application/dicom', '?class=pneumonia&maps=attention')
    expect([answer.explainedClass, answer.maps.map(({ name }) => name)]).toEqual(['pneumonia', ['attention']])
  })

  it('answers bad input with its code and goes on', async () => {
    const cut = dicom.subarray(0, dicom.length - 2000)
    const header = dicom.subarray(0, 600)
    const cases: readonly (readonly [what: string, response: Promise<Response>, status: number, code: string | RegExp])[] = [
      ['no image', post(Buffer.from('no image at all'), 'image/png'), 415, 'media-type-unsupported'],
      ['a PNG that is none', post(Buffer.from('\x89PNG\r\n\x1a\n then nothing', 'latin1'), 'image/png'), 422, 'image-undecodable'],
      ['a cut DICOM', post(cut, 'application/dicom'), 422, /^(dicom-truncated|pixel-data-truncated)$/],
      ['a DICOM that ends in its header', post(header, 'application/dicom'), 422, /^(dicom-truncated|pixel-data-missing|attribute-missing)$/],
      ['a frame that is not there', post(dicom, 'application/dicom', '?frame=2'), 400, 'parameter-invalid'],
      ['a map that is not there', post(dicom, 'application/dicom', '?maps=rainbow'), 404, 'map-unknown'],
      ['a model that is not there', post(dicom, 'application/dicom', '', 'none'), 404, 'model-unknown'],
      ['a body over the limit', post(new Uint8Array(65 * 1024 * 1024), 'application/dicom'), 413, 'body-too-large'],
    ]
    for (const [what, asked, status, code] of cases) {
      const response = await asked
      const problem = (await response.json()) as { code: string }
      expect([what, schemaErrors('Problem', problem)]).toEqual([what, ''])
      expect([what, response.status, response.headers.get('content-type')]).toEqual([what, status, 'application/problem+json; charset=utf-8'])
      expect(problem.code).toMatch(code)
    }
    expect((await predict(dicom, 'application/dicom')).predictedClass).toMatch(/normal|pneumonia/)
  })

  it('lets no patient attribute into an answer, a picture or the log', async () => {
    const seeded = Buffer.from(dicom)
    for (const [from, to] of [
      ['Phantom^Chest', 'SEEDED^PERSON'],
      ['PHANTOM', 'MRN4711'],
    ] as const) {
      const at = seeded.indexOf(from, 0, 'latin1')
      expect(at).toBeGreaterThan(0)
      seeded.write(to, at, 'latin1')
    }
    const answer = await predict(seeded, 'application/dicom')
    const pictures = await Promise.all(answer.maps.flatMap(({ href }) => [href.png, href.svg ?? '', href.json]).map(get))
    const refused = await (await post(seeded.subarray(0, seeded.length - 100), 'application/dicom')).text()
    const all = Buffer.concat([...pictures, Buffer.from(JSON.stringify(answer) + refused + server.output())]).toString('latin1')
    expect(['SEEDED', 'PERSON', 'MRN4711', 'Phantom'].filter((name) => all.includes(name))).toEqual([])
    // The digits alone, but not within a hash or a fraction, which may hold them by chance.
    expect(/(?<![\w.])4711(?!\w)/.test(all)).toBe(false)
  })

  it('loses no request when an engine is killed under load', async () => {
    const asked = Array.from({ length: 12 }, () => post(dicom, 'application/dicom', '?store=false'))
    const [victim] = server.enginePids()
    process.kill(victim ?? 0, 'SIGKILL')
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(Array.from({ length: 12 }, () => 200))
    expect(server.enginePids()).not.toContain(victim)
  })

  it('keeps predictions across a restart', async () => {
    const { id } = await predict(dicom, 'application/dicom')
    expect(await server.stop('SIGINT')).toBe(0)
    server = await startServer(environment())
    expect(((await (await fetch(`${server.url}/v1/predictions/${id}`)).json()) as PredictionAnswer).id).toBe(id)
    expect(sizeOfPng(await get(`/v1/predictions/${id}/maps/degree.png`))).toEqual([ROWS, COLUMNS])
  })

  it('finishes what it has when it is stopped under load, ends with code 0 and leaves no engine', async () => {
    const own = await startServer({ ...environment(), ATTENDING_DATA_DIR: join(folder, 'own') })
    const engines = own.enginePids()
    const asked = Array.from({ length: 6 }, () => post(dicom, 'application/dicom', '', TINY_DCMM, own.url).then(({ status }) => status))
    // The first answer shows that the others are under way.
    await Promise.race(asked)
    const code = await own.stop()
    const statuses = await Promise.all(asked.map((status) => status.catch(() => 'refused')))
    expect(code).toBe(0)
    expect(statuses.filter((status) => ![200, 503, 'refused'].includes(status))).toEqual([])
    expect(statuses).toContain(200)
    expect(engines.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([])
    expect(readdirSync(join(folder, 'own', 'predictions', 'unfinished'))).toEqual([])
  })

  it('leaves no engine behind when it is killed itself, and the next one has the data folder', async () => {
    const own = { ...environment(), ATTENDING_DATA_DIR: join(folder, 'killed'), ATTENDING_ENGINES: '1' }
    const first = await startServer(own)
    const engines = first.enginePids()
    await first.stop('SIGKILL')
    while (engines.some((pid) => existsSync(`/proc/${pid}`))) await new Promise((done) => setTimeout(done, 20))
    const second = await startServer(own)
    expect(await second.stop()).toBe(0)
  })
})

/** Ten processes start at once here, on whatever machine runs the tests. */
const SLOW_START_MS = 180_000

describe('a start that must not happen', () => {
  it(
    'ends with code 1 and says what is wrong: a setting, an address, a port, a models folder, a data folder in use, a graph, a gateway',
    async () => {
      const blocker = createServer().listen(0, '127.0.0.1')
      await new Promise((done) => blocker.once('listening', done))
      const tampered = join(folder, 'tampered')
      writeTinyBundles(tampered)
      writeFileSync(join(tampered, TINY_DCMM, 'model.onnx'), Buffer.concat([readFileSync(join(tampered, TINY_DCMM, 'model.onnx')), Buffer.of(0)]))
      mkdirSync(join(folder, 'empty'))
      const gatewayOf = (name: string, fields: object): string => {
        writeFileSync(join(folder, 'rules.json'), '{"version":1,"rules":[]}')
        writeFileSync(join(folder, name), JSON.stringify({ version: 1, rulesFile: 'rules.json', ...fields }))
        return join(folder, name)
      }
      const busyPort = (blocker.address() as AddressInfo).port
      const cases: readonly (readonly [environment: Record<string, string>, words: RegExp])[] = [
        [{ ATTENDING_PROT: '1' }, /settings-invalid: ATTENDING_PROT is no setting/],
        [{ ATTENDING_HOST: '0.0.0.0' }, /settings-invalid: ATTENDING_HOST is not of loopback/],
        [{ ATTENDING_PORT: String(busyPort) }, /settings-invalid: cannot listen .*EADDRINUSE/],
        [{ ATTENDING_MODELS_DIR: join(folder, 'empty') }, /bundle-refused: the models folder holds no bundle/],
        [{ ATTENDING_DATA_DIR: join(folder, 'data') }, /settings-invalid: the data folder is in use by process \d+ on /],
        [{ ATTENDING_MODELS_DIR: tampered }, /bundle-refused: .*SHA-256/],
        [{ ATTENDING_GATEWAY_FILE: gatewayOf('typo.json', { dimsee: {} }) }, /settings-invalid: the gateway file /],
        [
          { ATTENDING_GATEWAY_FILE: gatewayOf('busy.json', { dimse: { port: busyPort, peers: [{ aeTitle: 'A' }] } }) },
          /settings-invalid: the gateway cannot listen on 127.0.0.1 port \d+ \(EADDRINUSE\)/,
        ],
        [
          { ATTENDING_GATEWAY_FILE: gatewayOf('plain.json', {}), DATABASE_URL: `postgresql://127.0.0.1:${busyPort}/none?connect_timeout=1&sslmode=disable` },
          /settings-invalid: the database of DATABASE_URL cannot be reached/,
        ],
      ]
      const ends = await Promise.all(
        cases.map(([change], i) => failToStart({ ...environment(), ATTENDING_DATA_DIR: join(folder, `failed-${i}`), ATTENDING_ENGINES: '1', ...change })),
      )
      blocker.close()
      ends.forEach(({ code, output }, i) => {
        expect({ code, output }).toEqual({ code: 1, output: expect.stringMatching(cases[i]?.[1] ?? /$^/) })
        expect(output).not.toContain('listens on')
      })
    },
    SLOW_START_MS,
  )
})

const RELEASED = join(import.meta.dirname, '..', '..', 'models', 'released')
const released = existsSync(RELEASED) ? readdirSync(RELEASED).filter((name) => existsSync(join(RELEASED, name, 'manifest.json'))) : []

describe.skipIf(released.length === 0)('the released models (needs models/released)', () => {
  it('are what a start without settings serves, each with its card; each answers a picture, and the radiograph where it was made for radiographs', async () => {
    const own = await startServer({ ATTENDING_DATA_DIR: join(folder, 'released'), ATTENDING_ENGINES: '1' })
    try {
      const { models } = (await (await fetch(`${own.url}/v1/models`)).json()) as { models: { id: string; href: { card: string } }[] }
      expect(models.map(({ id }) => id)).toEqual(released.toSorted())
      const png = await phantomPng()
      for (const { id, href } of models) {
        expect((await fetch(own.url + href.card)).status).toBe(200)
        const response = await post(png, 'image/png', '', id, own.url)
        const answer = (await response.json()) as PredictionAnswer
        expect([id, response.status, schemaErrors('Prediction', answer)]).toEqual([id, 200, ''])
        expect(probabilities(answer).reduce((sum, value) => sum + value)).toBeCloseTo(1, 6)
        const radiograph = await post(dicom, 'application/dicom', '', id, own.url)
        const { code } = (await radiograph.json()) as { code?: string }
        expect([id, radiograph.status, code]).toEqual(id.includes('pneumonia') ? [id, 200, undefined] : [id, 422, 'image-out-of-scope'])
      }
    } finally {
      expect(await own.stop()).toBe(0)
    }
  })
})

describe('real radiographs', () => {
  it.skipIf(!hasCorpus)('each CR or DX file that decodes is answered, with maps of its own rows and columns (needs the corpus)', async () => {
    const rows = readFileSync(corpusFile('INDEX.tsv'), 'utf8').trim().split('\n').slice(1)
    const files = rows.map((row) => row.split('\t')).filter((cells) => ['CR', 'DX'].includes(cells[4] ?? '') && cells.at(-1) === 'decodes')
    expect(files.length).toBeGreaterThan(3)
    for (const [name = '', , , , , , , , , size = ''] of files) {
      const answer = await predict(readFileSync(corpusFile(name)), 'application/dicom')
      expect(probabilities(answer).reduce((sum, value) => sum + value)).toBeCloseTo(1, 6)
      expect([name, `${answer.input.rows}x${answer.input.columns}`]).toEqual([name, size])
      expect([name, ...sizeOfPng(await get(`/v1/predictions/${answer.id}/maps/communities.png`))]).toEqual([name, ...size.split('x').map(Number)])
    }
  })
})
