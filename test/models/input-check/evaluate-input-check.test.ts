import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { evaluateInputCheck } from '../../../models/input-check/evaluate-input-check.ts'
import type { GroupReport } from '../../../models/input-check/scores.ts'
import { buildChestPhantom } from '../../../src/demo/chest-phantom.ts'
import type { ScopeFinding } from '../../../src/domain/input-check.ts'
import { readBundleFiles } from '../../../src/infer/bundle-files.ts'
import { goldenBundle } from '../../support/golden-bundle.ts'
import { loadGolden } from '../support/golden.ts'
import { npzOf } from '../support/npz.ts'
import { syntheticData } from '../support/synthetic-data.ts'

const root = resolve(import.meta.dirname, '../../..')
const BUNDLE = join(root, 'models/released/dcmm-vit-tiny-patch4-28.pneumonia-v1')
const TEST_IMAGES = 10
const folder = mkdtempSync(join(tmpdir(), 'attending-input-check-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

interface Report {
  readonly model: { readonly id: string }
  readonly limits: { readonly histogram: number }
  readonly groups: Readonly<Record<string, GroupReport>>
  readonly images: readonly { readonly modality: string; readonly findings: readonly ScopeFinding[] }[]
}

/** A data file of that many images in each split, and the options that name it. */
function dataOf(name: string, side: number): { readonly file: string; readonly sha256: string } {
  const { train, validation, test } = syntheticData({ train: 8, validation: 8, test: TEST_IMAGES, side }).splits
  const part = ({ images, labels }: typeof train) => ({ side, images, labels: [...labels] })
  const bytes = npzOf({ train: part(train), val: part(validation), test: part(test) })
  const file = join(folder, name)
  writeFileSync(file, bytes)
  return { file, sha256: createHash('sha256').update(bytes).digest('hex') }
}

describe('npm run evaluate -- <bundle> --input-check', () => {
  let args: string[]
  let report: Report
  beforeAll(() => {
    const own = dataOf('own.npz', 28)
    const other = dataOf('other.npz', 56)
    const film = join(folder, 'film.dcm')
    writeFileSync(film, buildChestPhantom({ rows: 64, columns: 64, seed: 1, opacity: 0.5 }))
    args = [BUNDLE, '--input-check', '--data', own.file, '--against', other.file, '--image', film, '--allow-data', own.sha256, '--allow-data', other.sha256]
    const { stdout, stderr } = spawnSync(process.execPath, [join(root, 'models/evaluate.ts'), ...args], { encoding: 'utf8' })
    expect(stderr).toBe('')
    report = JSON.parse(stdout)
  })

  it("measures the test split against itself, its changed images and every other file's images, by the bundle's limits", async () => {
    const { manifest } = await readBundleFiles(BUNDLE)
    expect(report.model.id).toBe(manifest.id)
    expect(report.limits.histogram).toBe(manifest.inputCheck?.histogram.unusualAbove)
    const groups = Object.entries(report.groups)
    expect(groups.slice(0, 7).map(([name, { images }]) => [name, images])).toEqual([
      ['validation', 8],
      ...['test', 'inverted', 'mirrored', 'upside-down', 'noise', 'one-gray'].map((name) => [name, TEST_IMAGES]),
    ])
    expect(groups.slice(7).map(([, { images }]) => images)).toEqual([8 + 8 + TEST_IMAGES])
    for (const [, { verdicts }] of groups) expect(Object.values(verdicts).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12)
  })

  it('finds what it must: a split is not told from itself, a histogram not from its mirror image, and one gray is no image', () => {
    const { groups } = report
    for (const { auroc } of Object.values(groups['test']!.separation)) expect(auroc).toBe(0.5)
    for (const name of ['mirrored', 'upside-down']) expect(groups[name]!.separation.histogram.auroc).toBe(0.5)
    expect(groups['one-gray']!.verdicts['out-of-scope']).toBe(1)
  })

  it('says of a single file what the server would say', () => {
    expect(report.images).toHaveLength(1)
    const { modality, findings } = report.images[0]!
    expect(modality).toBe('DX')
    expect(findings.filter(({ check }) => check === 'body-part' || check === 'view')).toMatchObject([
      { check: 'body-part', verdict: 'in-scope', value: 'CHEST' },
      { check: 'view', verdict: 'unusual', value: 'PA' },
    ])
  })

  it('tells of its options, and what is missing or does not fit', async () => {
    expect(await evaluateInputCheck(['--input-check', '--help'])).toContain('npm run evaluate -- <bundle folder> --input-check')
    await expect(evaluateInputCheck(['--input-check'])).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter: 'model' } })
    await expect(evaluateInputCheck([BUNDLE, '--input-check'])).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter: 'data' } })
    await expect(evaluateInputCheck([...args, '--explanations'])).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter: 'options' } })
  })

  it('refuses a bundle without statistics of its training images', async () => {
    const files = goldenBundle(loadGolden('dcmm'))
    const bundle = join(folder, files.manifest.id)
    mkdirSync(bundle)
    writeFileSync(join(bundle, 'manifest.json'), files.manifestBytes)
    writeFileSync(join(bundle, 'model.onnx'), files.graph)
    if (files.tail !== null) writeFileSync(join(bundle, 'tail.onnx'), files.tail)
    await expect(evaluateInputCheck([bundle, ...args.slice(1)])).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter: 'model' } })
  })
})
