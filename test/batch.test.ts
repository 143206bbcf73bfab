import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readRoutingFacts } from '../src/routing/routing-facts.ts'
import { TINY_DCMM, writeTinyBundles } from './e2e/support/write-tiny-bundle.ts'
import { dciodvfyErrors, hasDciodvfy } from './support/dicom-tools.ts'
import { buildGray16 } from './support/synthetic-dicom.ts'
import { buildGray16Png } from './support/synthetic-png.ts'

const root = resolve(import.meta.dirname, '..')
const node = promisify(execFile)

interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

async function batch(...args: readonly string[]): Promise<Ran> {
  try {
    return { status: 0, ...(await node(process.execPath, ['src/batch.ts', ...args], { cwd: root })) }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { status: code, stdout, stderr }
  }
}

describe('npm run batch', () => {
  let folder: string
  let models: string
  let input: string

  const outputFolder = (name: string): string => join(folder, name)
  const run = (name: string, ...more: readonly string[]): Promise<Ran> => batch('--input', input, '--output', outputFolder(name), '--models', models, ...more)
  const objects = (name: string): string[] =>
    readdirSync(outputFolder(name))
      .filter((file) => file.endsWith('.dcm'))
      .sort()
  // biome-ignore lint/suspicious/noExplicitAny: a document that this test reads by hand
  const results = (name: string): any => JSON.parse(readFileSync(join(outputFolder(name), 'results.json'), 'utf8'))

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'attending-batch-'))
    models = join(folder, 'models')
    input = join(folder, 'input')
    writeTinyBundles(models)
    mkdirSync(join(input, 'below'), { recursive: true })
    const dicom = buildGray16(
      Array.from({ length: 40 * 40 }, (_, i) => (i * 37) % 4096),
      40,
      { Modality: 'CR', SOPClassUID: '1.2.840.10008.5.1.4.1.1.1' },
    )
    writeFileSync(join(input, 'below', 'a.dcm'), dicom)
    writeFileSync(
      join(input, 'b.png'),
      buildGray16Png(
        Array.from({ length: 40 * 40 }, (_, i) => (i * 997) % 65536),
        40,
      ),
    )
    writeFileSync(join(input, 'c.txt'), 'no image')
    symlinkSync(join(folder, 'models'), join(input, 'link'))
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('predicts what is there, writes DICOM results beside results.json, and tells by its exit code that one file failed', async () => {
    const { status, stdout, stderr } = await run('out', '--model', TINY_DCMM)
    expect({ status, summary: stdout.split('.')[0] }).toEqual({ status: 2, summary: '2 predicted, 0 skipped, 1 failed, 0 left' })
    expect(stderr).toContain('3/3')
    const { images, counts, models: used } = results('out')
    expect(counts).toEqual({ images: 3, done: 2, skipped: 0, failed: 1, left: 0 })
    expect(used).toMatchObject([{ id: TINY_DCMM }])
    expect(images.map(({ input: name, status: is, problem }: { input: string; status: string; problem: { code: string } | null }) => [name, is, problem?.code ?? null])).toEqual([
      ['b.png', 'done', null],
      ['below/a.dcm', 'done', null],
      ['c.txt', 'failed', 'media-type-unsupported'],
    ])
    const [png, dicom] = images
    expect(png.results).toEqual([])
    expect(dicom.results.map(({ file }: { file: string }) => file).sort()).toEqual(objects('out'))
    expect(new Set(dicom.results.map(({ kind }: { kind: string }) => kind))).toEqual(new Set(['sc', 'seg', 'sr', 'ko']))
    // The source does not say where it lies in the patient: no Parametric Map, and the reason beside it.
    expect(new Set(dicom.omitted.map(({ kind }: { kind: string }) => kind))).toEqual(new Set(['pm']))
    const [{ classes }] = dicom.frames
    expect(classes.reduce((sum: number, { probability }: { probability: number }) => sum + probability, 0)).toBeCloseTo(1, 5)
  }, 120_000)

  it.skipIf(!hasDciodvfy)(`writes objects that dciodvfy finds no error in${hasDciodvfy ? '' : " (needs Debian's dicom3tools)"}`, () => {
    for (const file of objects('out')) expect(dciodvfyErrors(readFileSync(join(outputFolder('out'), file)))).toEqual([])
    expect(objects('out').length).toBeGreaterThan(0)
  })

  it('does nothing twice, and writes a lost result again with the same bytes', async () => {
    const [first = '', ...others] = objects('out').map((file) => join(outputFolder('out'), file))
    const before = { bytes: readFileSync(first), times: others.map((file) => statSync(file).mtimeMs) }
    expect(await run('out', '--model', TINY_DCMM)).toMatchObject({ status: 2 })
    expect(others.map((file) => statSync(file).mtimeMs)).toEqual(before.times)
    rmSync(first)
    await run('out', '--model', TINY_DCMM)
    expect(readFileSync(first).equals(before.bytes)).toBe(true)
  }, 120_000)

  it('leaves alone an image over which the process has ended twice', async () => {
    await run('crash', '--model', TINY_DCMM)
    const records = join(outputFolder('crash'), '.attending-batch')
    const target = readdirSync(records).find((name) => name.endsWith('.json') && readFileSync(join(records, name), 'utf8').includes('b.png')) ?? ''
    for (const [starts, status] of [
      [1, 'done'],
      [2, 'failed'],
    ] as const) {
      // What a process leaves behind that died while it read the image.
      writeFileSync(join(records, target), JSON.stringify({ starts }))
      await run('crash', '--model', TINY_DCMM)
      expect(results('crash').images[0]).toMatchObject({ input: 'b.png', status })
    }
    expect(results('crash').images[0].problem.code).toBe('engine-lost')
  }, 120_000)

  it('lets rules choose and skip', async () => {
    const rules = join(folder, 'rules.json')
    const only = join(folder, 'only')
    mkdirSync(only, { recursive: true })
    copyFileSync(join(input, 'below', 'a.dcm'), join(only, 'a.dcm'))
    expect(readRoutingFacts(readFileSync(join(only, 'a.dcm'))).modality).toBe('CR')
    const decide = async (modality: string): Promise<Ran> => {
      writeFileSync(rules, JSON.stringify({ version: 1, rules: [{ name: 'r', when: { modality: [modality] }, action: { model: TINY_DCMM } }] }))
      return batch('--input', only, '--output', outputFolder(`rules-${modality}`), '--models', models, '--rules', rules, '--json')
    }
    const [taken, left] = [await decide('CR'), await decide('CT')]
    expect([taken.status, JSON.parse(taken.stdout).images[0].status]).toEqual([0, 'done'])
    expect([left.status, JSON.parse(left.stdout).images[0]]).toMatchObject([0, { status: 'skipped', reason: 'none of 1 rules takes it' }])
  }, 120_000)

  it('makes results of nobody where it is asked to: no path, no digest and no identity, and again the same with the same key', async () => {
    const key = join(folder, 'key')
    writeFileSync(key, Buffer.alloc(32, 7))
    const private_ = join(folder, 'Zq_John_Doe')
    mkdirSync(private_, { recursive: true })
    writeFileSync(
      join(private_, 'Zq_1957.dcm'),
      buildGray16(
        Array.from({ length: 40 * 40 }, (_, i) => (i * 37) % 4096),
        40,
        { Modality: 'CR', SOPClassUID: '1.2.840.10008.5.1.4.1.1.1', PatientName: 'Zq^John', PatientID: 'Zq-17', StudyDate: '19870211' },
      ),
    )
    const more = ['--models', models, '--model', TINY_DCMM, '--deidentify', '--deidentify-key', key]
    expect((await batch('--input', private_, '--output', outputFolder('nobody'), ...more)).status).toBe(0)
    const [image] = results('nobody').images
    expect(image.omitted).toContainEqual(expect.objectContaining({ kind: 'sc', reason: expect.stringContaining('--pixels-are-clean') }))
    expect(new Set(image.results.map(({ kind }: { kind: string }) => kind))).toEqual(new Set(['seg', 'sr', 'ko']))
    const sha256 = createHash('sha256')
      .update(readFileSync(join(private_, 'Zq_1957.dcm')))
      .digest('hex')
    for (const file of readdirSync(outputFolder('nobody'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())) {
      const text = readFileSync(join(file.parentPath, file.name), 'latin1')
      for (const word of ['Zq', '1987', sha256.slice(0, 16)]) expect(`${file.name}\n${text}`, file.name).not.toContain(word)
    }
    await batch('--input', private_, '--output', outputFolder('again'), ...more)
    expect(objects('again')).toEqual(objects('nobody'))
    for (const file of objects('again')) expect(readFileSync(join(outputFolder('again'), file)).equals(readFileSync(join(outputFolder('nobody'), file)))).toBe(true)
    expect((await batch('--input', private_, '--output', outputFolder('shown'), ...more, '--pixels-are-clean')).status).toBe(0)
    expect(results('shown').images[0].results.map(({ kind }: { kind: string }) => kind)).toContain('sc')
    // What fails is told by its code alone, and nothing stands in the order of true paths.
    const outOfScope = { Modality: 'ZQSMITH', SOPClassUID: '1.2.840.10008.5.1.4.1.1.1' }
    const odd = join(folder, 'odd-files')
    mkdirSync(odd)
    for (let i = 0; i < 6; i++) writeFileSync(join(odd, `${i}.dcm`), buildGray16(Array(1600).fill(i), 40, outOfScope))
    writeFileSync(join(odd, '6.dcm'), buildGray16(Array(1600).fill(7), 40, { ...outOfScope, Modality: 'CR' }, { transferSyntaxUid: '1.2.826.19870211' }))
    expect(await batch('--input', odd, '--output', outputFolder('odd'), ...more)).toMatchObject({ status: 2, stdout: expect.stringContaining('7 failed') })
    const failures = results('odd').images
    expect(failures.map(({ problem }: { problem: { code: string } }) => problem.code).sort()).toEqual([...Array(6).fill('image-out-of-scope'), 'transfer-syntax-unsupported'])
    expect(failures.map((one: { input: string }) => one.input)).toEqual(failures.map((one: { input: string }) => one.input).toSorted())
    for (const file of readdirSync(outputFolder('odd'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())) {
      const text = readFileSync(join(file.parentPath, file.name), 'latin1')
      for (const word of ['SMITH', '1987', '1.2.826']) expect(text, file.name).not.toContain(word)
    }
    // Neither manner adds to a folder of the other.
    const identified = ['--input', private_, '--models', models, '--model', TINY_DCMM]
    expect((await batch(...identified, '--output', outputFolder('patients'))).status).toBe(0)
    expect(await batch('--input', private_, '--output', outputFolder('patients'), ...more)).toMatchObject({ status: 1, stderr: expect.stringContaining('results of patients') })
    expect(await batch(...identified, '--output', outputFolder('nobody'))).toMatchObject({ status: 1, stderr: expect.stringContaining('results of nobody') })
    expect(objects('nobody')).toEqual(objects('again'))
    for (const wrong of [['--deidentify'], ['--pixels-are-clean'], ['--deidentify', '--deidentify-key', join(folder, 'absent')]]) {
      expect((await batch('--input', private_, '--output', outputFolder('wrong'), '--models', models, '--model', TINY_DCMM, ...wrong)).status).toBe(1)
    }
  }, 120_000)

  it('tells an empty folder and a wrong command by their exit codes', async () => {
    mkdirSync(join(folder, 'empty'))
    expect((await batch('--input', join(folder, 'empty'), '--output', outputFolder('none'), '--models', models, '--model', TINY_DCMM)).status).toBe(3)
    expect(await run('unchosen')).toMatchObject({ status: 1, stderr: expect.stringContaining('model-unknown') })
    expect(await batch('--input', input, '--output', join(input, 'out'), '--models', models)).toMatchObject({ status: 1, stderr: expect.stringContaining('parameter-invalid') })
    expect(await batch('--input', join(folder, 'absent'), '--output', outputFolder('none'), '--models', models, '--model', TINY_DCMM)).toMatchObject({
      status: 1,
      stderr: 'file-unreadable: the input folder cannot be read\n',
    })
  }, 120_000)
})
