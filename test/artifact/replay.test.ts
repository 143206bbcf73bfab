import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RenderOptions } from '../../src/domain/prediction.ts'
import { toArtifacts } from '../../src/http/to-answer.ts'
import { loadBundle } from '../../src/infer/load-bundle.ts'
import { draw, predict } from '../../src/pipeline.ts'
import { loadGolden } from '../models/support/golden.ts'
import { goldenBundle } from '../support/golden-bundle.ts'

const root = resolve(import.meta.dirname, '../..')
const node = promisify(execFile)

interface Ran {
  readonly status: number
  readonly out: string
  readonly err: string
}

const run = async (...args: readonly string[]): Promise<Ran> => {
  try {
    const { stdout, stderr } = await node(process.execPath, [...args], { cwd: root })
    return { status: 0, out: stdout, err: stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { status: code, out: stdout, err: stderr }
  }
}

describe('a kept answer', () => {
  let folder: string
  let models: string
  let picture: string
  let out: string

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'replay-'))
    models = join(folder, 'models')
    const files = goldenBundle(loadGolden('dcmm'))
    const bundle = join(models, files.manifest.id)
    await mkdir(bundle, { recursive: true })
    await writeFile(join(bundle, 'manifest.json'), files.manifestBytes)
    await writeFile(join(bundle, 'model.onnx'), files.graph)
    if (files.tail !== null) await writeFile(join(bundle, 'tail.onnx'), files.tail)
    picture = join(folder, 'picture.png')
    const pixels = Uint8Array.from({ length: 40 * 32 }, (_, i) => (i * 37) % 256)
    await writeFile(
      picture,
      await sharp(pixels, { raw: { width: 40, height: 32, channels: 1 } })
        .png()
        .toBuffer(),
    )
    out = join(folder, 'out')
    const predicted = await run(
      'src/predict.ts',
      picture,
      '--models',
      models,
      '--maps',
      'communities,attention,degree,delta,evidence,structure-attribution,shapley',
      '--class',
      'b',
      '--out',
      out,
    )
    expect(predicted).toMatchObject({ status: 0 })
  })

  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('is repeated bit for bit, its numbers and all of its maps', async () => {
    const { status, out: printed } = await run('src/replay.ts', join(out, 'answer.json'), picture, '--models', models, '--json')
    const replay = JSON.parse(printed)
    expect(replay).toMatchObject({ isEqual: true, differences: [], differingMaps: [] })
    expect(replay.comparedMaps).toBe(7 * 3) // npy, json and png of seven maps
    expect(replay.comparedNumbers).toBeGreaterThan(100)
    expect(status).toBe(0)
  })

  it('is repeated with the maps that were fetched from a server, or came in its answer, drawn in any way', async () => {
    const answer = JSON.parse(await readFile(join(out, 'answer.json'), 'utf8'))
    const served = join(folder, 'served')
    await mkdir(served, { recursive: true })
    const [first, second, ...others] = answer.maps
    const bundle = await loadBundle(join(models, answer.model.id))
    const request = {
      kind: 'predict' as const,
      modelId: answer.model.id,
      bytes: await readFile(picture),
      options: { frame: 1, maps: null, explainedClass: 'b', seed: 0, samples: 0 },
    }
    const { prediction } = await predict(bundle, request, answer.provenance.software)
    await bundle.release()
    const artifacts = toArtifacts(prediction, answer.id, answer.createdAt)
    const drawn = async (name: string, options: Partial<RenderOptions>): Promise<Buffer> => {
      const map = artifacts.maps.find((candidate) => candidate.name === name)!
      const all: RenderOptions = { format: 'png', style: 'overlay', alpha: 0.5, head: null, colormap: null, size: 'source', ...options }
      return Buffer.from((await draw({ kind: 'render', ...artifacts, map, options: all })).bytes)
    }
    await writeFile(join(served, `${first.name}.png`), await drawn(first.name, { style: 'panel', size: 96, strip: true }))
    first.href.png = `/v1/predictions/${answer.id}/maps/${first.name}.png`
    second.href.png = `data:image/png;base64,${(await drawn(second.name, {})).toString('base64')}`
    await writeFile(join(served, 'answer.json'), JSON.stringify({ ...answer, maps: [first, second, ...others] }))
    const { out: printed } = await run('src/replay.ts', join(served, 'answer.json'), picture, '--models', models, '--json')
    expect(JSON.parse(printed)).toMatchObject({ isEqual: true, comparedMaps: 2, differingMaps: [] })
  })

  it('is told from one whose number was changed in its last digit, and from one whose map was', async () => {
    const answer = JSON.parse(await readFile(join(out, 'answer.json'), 'utf8'))
    answer.classes[1].probability += 2 ** -52
    await writeFile(join(out, 'changed.json'), JSON.stringify(answer))
    const grid = await readFile(join(out, 'degree.npy'))
    const whole = Buffer.from(grid)
    grid[grid.length - 1]! ^= 1
    await writeFile(join(out, 'degree.npy'), grid)
    const { status, out: printed } = await run('src/replay.ts', join(out, 'changed.json'), picture, '--models', models)
    await writeFile(join(out, 'degree.npy'), whole)
    expect(printed).toContain('classes[1].probability: was')
    expect(printed).toContain('degree.npy: other bytes')
    expect(status).toBe(1)
  })

  it('is told from the answer to another file', async () => {
    const other = join(folder, 'other.png')
    await writeFile(
      other,
      await sharp(new Uint8Array(40 * 32), { raw: { width: 40, height: 32, channels: 1 } })
        .png()
        .toBuffer(),
    )
    const { status, out: printed } = await run('src/replay.ts', join(out, 'answer.json'), other, '--models', models)
    expect(printed).toContain('provenance.inputSha256: was')
    expect(status).toBe(1)
  })

  it('refuses what is no answer, and a file that is not there, without naming a path', async () => {
    const noAnswer = await run('src/replay.ts', picture, picture, '--models', models)
    expect(noAnswer).toMatchObject({ status: 1, err: 'parameter-invalid: the first file is no answer of this program\n' })
    const nothing = await run('src/replay.ts', join(out, 'nothing.json'), picture, '--models', models)
    expect(nothing).toMatchObject({ status: 1, err: 'file-unreadable: a file cannot be read\n' })
  })

  it('is equal where it was kept before answers had an input check, and differs where its verdict was another', async () => {
    const answer = JSON.parse(await readFile(join(out, 'answer.json'), 'utf8'))
    expect(answer.inputCheck.verdict).toBe('not-checked')
    const { inputCheck, ...older } = answer
    const replayed = async (name: string, kept: object): Promise<{ isEqual: boolean; differences: readonly { path: string }[] }> => {
      await writeFile(join(out, name), JSON.stringify(kept))
      return JSON.parse((await run('src/replay.ts', join(out, name), picture, '--models', models, '--json')).out)
    }
    expect((await replayed('older.json', older)).isEqual).toBe(true)
    const { differences } = await replayed('other.json', { ...answer, inputCheck: { ...inputCheck, verdict: 'in-scope' } })
    expect(differences.map(({ path }) => path)).toEqual(['inputCheck.verdict'])
  })

  it('is equal where its pictures were drawn before their captions held the input check', async () => {
    const kept = join(out, 'attention.json')
    const whole = await readFile(kept, 'utf8')
    const { caption, ...others } = JSON.parse(whole)
    expect(caption.inputCheck).toEqual({ verdict: 'not-checked', checks: [] })
    const { inputCheck: _, ...older } = caption
    // The caption stands where it stood, so that the bytes are those of then.
    await writeFile(kept, JSON.stringify(Object.fromEntries(Object.keys(JSON.parse(whole)).map((key) => [key, key === 'caption' ? older : others[key]]))))
    const { out: printed } = await run('src/replay.ts', join(out, 'answer.json'), picture, '--models', models, '--json')
    await writeFile(kept, whole)
    expect(JSON.parse(printed)).toMatchObject({ isEqual: true, differingMaps: [] })
  })

  it('is equal where it was kept before a map said what lies on blank patches', async () => {
    const answer = JSON.parse(await readFile(join(out, 'answer.json'), 'utf8'))
    const attention = answer.maps.find(({ name }: { name: string }) => name === 'attention')
    expect(attention.numbers.blankShare).toBeGreaterThanOrEqual(0)
    const files = new Map<string, string>()
    for (const { name, numbers } of answer.maps) {
      const path = join(out, `${name}.json`)
      files.set(path, await readFile(path, 'utf8'))
      const json = JSON.parse(files.get(path) ?? '')
      for (const held of [numbers, json.numbers]) for (const number of ['blankShare', 'blankArea']) delete held[number]
      await writeFile(path, JSON.stringify(json))
    }
    await writeFile(join(out, 'before-blank.json'), JSON.stringify(answer))
    const { out: printed } = await run('src/replay.ts', join(out, 'before-blank.json'), picture, '--models', models, '--json')
    for (const [path, json] of files) await writeFile(path, json)
    expect(JSON.parse(printed)).toMatchObject({ isEqual: true, differences: [], differingMaps: [] })
  })

  it('is equal where the JSON of its communities was written before it held memberships, and differs where one of them was another', async () => {
    const path = join(out, 'communities.json')
    const whole = await readFile(path, 'utf8')
    const changed = JSON.parse(whole)
    const { memberships, ...older } = changed
    const replayed = async (json: object): Promise<{ differingMaps: readonly string[] }> => {
      await writeFile(path, JSON.stringify(json))
      return JSON.parse((await run('src/replay.ts', join(out, 'answer.json'), picture, '--models', models, '--json')).out)
    }
    expect((await replayed(older)).differingMaps).toEqual([])
    expect((await replayed(changed)).differingMaps).toEqual([])
    memberships[0][0][0] += 2 ** -20
    expect((await replayed(changed)).differingMaps).toEqual(['communities.json'])
    await writeFile(path, whole)
  })

  it('is equal where it was kept before the figures of maps were stated, and differs where the hash of a grid was another', async () => {
    const answer = JSON.parse(await readFile(join(out, 'answer.json'), 'utf8'))
    const [first, ...others] = answer.maps
    const { shape, layer, head, headRange, explainedClass, marks, formula, statistics, numbers, gridSha256, ...older } = first
    expect([shape, layer, head, headRange, explainedClass, marks, formula, statistics, numbers, gridSha256]).not.toContain(undefined)
    const replayed = async (name: string, map: object): Promise<{ isEqual: boolean; differences: readonly { path: string }[]; differingMaps: readonly string[] }> => {
      await writeFile(join(out, name), JSON.stringify({ ...answer, maps: [map, ...others] }))
      return JSON.parse((await run('src/replay.ts', join(out, name), picture, '--models', models, '--json')).out)
    }
    expect(await replayed('older.json', { ...older, href: { ...older.href, json: 'nowhere.json' } })).toMatchObject({ isEqual: true })
    const { differences } = await replayed('other.json', { ...first, gridSha256: 'f'.repeat(64) })
    expect(differences.map(({ path }) => path)).toEqual(['maps[0].gridSha256'])
  })

  it('has pictures that tell what made them', async () => {
    const answer = JSON.parse(await readFile(join(out, 'answer.json'), 'utf8'))
    const { status, out: printed } = await run('src/check-artifact.ts', join(out, 'evidence.png'), '--json')
    expect(status).toBe(0)
    expect(JSON.parse(printed).facts).toMatchObject({
      model: answer.model.id,
      'graph-sha256': answer.model.graphSha256,
      'input-sha256': answer.provenance.inputSha256,
      class: 'b',
      map: 'evidence',
    })
  })
})
