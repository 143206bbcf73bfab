import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readCheckpoint } from '../../models/checkpoint.ts'
import { trainingRecordOf } from '../../models/training/training-record.ts'
import { buildPng } from '../support/synthetic-png.ts'
import { npzOf } from './support/npz.ts'
import { syntheticData } from './support/synthetic-data.ts'

const root = resolve(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'attending-train-'))
const recipe = 'vit-tiny-patch4-28.pneumonia'
const dataFile = join(folder, 'data.npz')
let sha256 = ''

beforeAll(() => {
  const { train, validation, test } = syntheticData({ train: 192, validation: 16, test: 16, side: 28 }).splits
  const part = ({ images, labels }: typeof train) => ({ side: 28, images, labels: [...labels] })
  const bytes = npzOf({ train: part(train), val: part(validation), test: part(test) })
  sha256 = createHash('sha256').update(bytes).digest('hex')
  writeFileSync(dataFile, bytes)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

/** The command to its end; `onOutput` sees each piece of standard output. */
function run(script: 'train' | 'evaluate', args: readonly string[], onOutput: (text: string, child: ChildProcess) => void = () => {}): Promise<Ended> {
  const child = spawn(process.execPath, [join(root, `models/${script}.ts`), ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  let out = ''
  let error = ''
  child.stdout.on('data', (piece) => {
    out += piece
    onOutput(String(piece), child)
  })
  child.stderr.on('data', (piece) => {
    error += piece
  })
  return new Promise((done) => child.on('close', (code) => done({ code, out, error })))
}

describe('npm run train and npm run evaluate', () => {
  it('stop on Ctrl-C with 130 and a saved state, go on with --resume to a checkpoint, and evaluate it as JSON', async () => {
    const args = [recipe, '--data', dataFile, '--allow-data', sha256, '--backend', 'wasm', '--epochs', '1', '--seed', '3', '--out', 'run']
    const stopped = await run('train', args, (text, child) => {
      if (text.includes('backend:')) child.kill('SIGINT')
    })
    expect(stopped.error).toBe('')
    expect(stopped.code).toBe(130)
    expect(stopped.out).toMatch(/interrupted after step [12] of epoch 1; --resume/)
    expect(existsSync(join(folder, 'run/model.safetensors'))).toBe(false)

    const again = await run('train', args)
    expect(again).toMatchObject({ code: 1, error: expect.stringContaining('already holds a run') })

    const resumed = await run('train', [...args, '--resume'])
    expect(resumed).toMatchObject({ code: 0, error: '' })
    expect(resumed.out).toMatch(/epoch 1\/1 {2}loss \d\.\d{4} {2}validation loss/)
    const record = trainingRecordOf(readCheckpoint(readFileSync(join(folder, 'run/model.safetensors'))))
    expect(record).toMatchObject({ recipe, seed: 3, data: { sha256, classes: ['class 0', 'class 1'] } })

    const evaluated = await run('evaluate', ['run/model.safetensors', '--data', dataFile, '--allow-data', sha256, '--backend', 'wasm'])
    expect(evaluated).toMatchObject({ code: 0, error: '' })
    expect(JSON.parse(evaluated.out)).toMatchObject({ model: { recipe, seed: 3, selectedEpoch: 1 }, data: { sha256, sameAsTraining: true }, test: { split: 'test', images: 16 } })
  }, 180_000) // four processes, each of which starts TF.js anew

  it('train on a table of images at another size and with other classes, go on from its weights on two threads, and evaluate by the same table', async () => {
    const { train, validation, test } = syntheticData({ train: 64, validation: 8, test: 8, side: 16 }).splits
    const rows = Object.entries({ train, val: validation, test }).flatMap(([split, { count, images, labels }]) =>
      Array.from({ length: count }, (_, i) => {
        const pixels = images.subarray(i * 256, (i + 1) * 256)
        writeFileSync(
          join(folder, `${split}-${i}.png`),
          buildPng({ width: 16, height: 16, bitDepth: 8, colorType: 0, rows: Array.from({ length: 16 }, (_, y) => [...pixels.subarray(16 * y, 16 * y + 16)]) }),
        )
        return `${split}-${i}.png,${i === 0 ? 'odd' : labels[i] === 1 ? 'square' : 'noise'},${split},${split}${i}`
      }),
    )
    writeFileSync(join(folder, 'table.csv'), ['image,class,split,patient', ...rows].join('\n'))
    const data = ['--data', 'table.csv']
    const ended = await run('train', [
      recipe,
      ...data,
      '--classes',
      'square,noise,odd',
      '--image-size',
      '16',
      '--cache',
      'kept',
      '--backend',
      'wasm',
      '--epochs',
      '1',
      '--out',
      'of-table',
    ])
    expect(ended).toMatchObject({ code: 0, error: '' })
    const checkpoint = readCheckpoint(readFileSync(join(folder, 'of-table/model.safetensors')))
    expect(checkpoint.config).toMatchObject({ imageSize: 16, channels: 1, classes: 3 })
    expect(trainingRecordOf(checkpoint)).toMatchObject({ recipe: expect.stringMatching(/^vit-tiny-patch4-16\.folder-/), data: { classes: ['square', 'noise', 'odd'] } })

    const again = [recipe, ...data, '--classes', 'square,odd', '--image-size', '16', '--init', 'of-table/model.safetensors', '--backend', 'wasm', '--epochs', '1', '--out', 'again']
    expect(await run('train', again)).toMatchObject({ code: 1, error: expect.stringContaining('a class that is none of the 2 classes') })
    again[again.indexOf('square,odd')] = 'odd,square,noise,none'
    expect(await run('train', again)).toMatchObject({ code: 1, error: expect.stringMatching(/head\.weight is \[3, 64\] and not \[4, 64\]/) })
    const continued = await run('train', [...again, '--init-allow', 'head.*', '--workers', '2'])
    expect(continued).toMatchObject({ code: 0, error: '', out: expect.stringContaining('2 weights fresh, 0 of the file not used') })

    const evaluated = await run('evaluate', ['of-table/model.safetensors', ...data, '--cache', 'kept', '--backend', 'wasm'])
    expect(evaluated).toMatchObject({ code: 0, error: '' })
    expect(JSON.parse(evaluated.out)).toMatchObject({
      data: { sameAsTraining: true },
      test: { images: 8 },
      classes: [
        { name: 'square', images: 4 },
        { name: 'noise', images: 3 },
        { name: 'odd', images: 1 },
      ],
    })
  }, 180_000) // six processes

  it('train on from a released bundle, with the data behind it in the record', async () => {
    const bundle = 'dcmm-vit-tiny-patch4-28.pneumonia-pretrained-v1'
    const args = ['dcmm-vit-tiny-patch4-28.pneumonia', '--data', dataFile, '--allow-data', sha256, '--init', join(root, 'models/released', bundle)]
    const ended = await run('train', [...args, '--backend', 'wasm', '--epochs', '1', '--out', 'of-bundle'])
    expect(ended).toMatchObject({ code: 0, error: '', out: expect.stringContaining('0 weights fresh, 0 of the file not used') })
    const { start } = trainingRecordOf(readCheckpoint(readFileSync(join(folder, 'of-bundle/model.safetensors'))))
    const { graph, training } = JSON.parse(readFileSync(join(root, 'models/released', bundle, 'manifest.json'), 'utf8'))
    expect(start).toMatchObject({ sha256: graph.sha256, model: { id: bundle, version: '1.0.0' } })
    const { id, images, sha256: own } = training.data
    expect(start?.sources).toMatchObject([{ id, images: images.train }, ...training.start.sources.filter((source: { sha256: string }) => source.sha256 !== own)])
  }, 60_000)

  it('print their help', async () => {
    for (const script of ['train', 'evaluate'] as const) {
      const { code, out } = await run(script, ['--help'])
      expect(code).toBe(0)
      expect(out).toContain(`npm run ${script} --`)
    }
  })

  it.each([
    ['a data file that nobody knows', [recipe, '--data', dataFile], 'data-set-unknown'],
    ['a recipe that does not exist', ['none', '--data', dataFile], 'parameter-invalid'],
    ['a data file that is not there', [recipe, '--data', 'nowhere.npz'], 'file-unreadable'],
    ['a backend that cannot be had', [recipe, '--data', dataFile, '--allow-data', 'SHA', '--backend', 'tfjs-node-gpu', '--out', 'never'], 'backend-unavailable'],
    ['an option that does not exist', [recipe, '--dtaa', dataFile], 'parameter-invalid'],
    ['an option of tables for an archive', [recipe, '--data', dataFile, '--classes', 'a,b'], 'parameter-invalid'],
    ['a table that is not there', [recipe, '--data', 'nowhere.csv'], 'file-unreadable'],
    ['weights that are none', [recipe, '--data', dataFile, '--allow-data', 'SHA', '--init', dataFile, '--out', 'never'], 'checkpoint-invalid'],
    ['allowances without weights', [recipe, '--data', dataFile, '--init-allow', 'head.*'], 'parameter-invalid'],
    ['a negative seed', [recipe, '--data', dataFile, '--seed=-1'], 'parameter-invalid'],
  ])('refuse %s in one line, without a stack', async (_, args, code) => {
    const ended = await run(
      'train',
      args.map((argument) => (argument === 'SHA' ? sha256 : argument)),
    )
    expect(ended.code).toBe(1)
    expect(ended.error).toMatch(new RegExp(`^[^\\n]*\\(${code}\\)\\n$`))
  })
})
