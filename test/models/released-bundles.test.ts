import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseManifest } from '../../src/domain/manifest.ts'
import { dataFile, hasData } from '../support/corpus.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const RELEASED = join(ROOT, 'models/released')

type Figures = Readonly<Record<string, number>>

function evaluated(folder: string, data: string): Readonly<Record<string, Figures>> {
  const { stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'models/evaluate.ts'), folder, '--data', data], { encoding: 'utf8' })
  expect(stderr).toBe('')
  return JSON.parse(stdout)
}

/** Where a data set lies beside the project, by its id. */
function fileOf(id: string): string {
  return dataFile(id.endsWith('mnist') ? `medmnist/${id}.npz` : `${id}/${id}.npz`)
}

describe('a released bundle', () => {
  it.skipIf(!hasData).each(readdirSync(RELEASED))(
    '%s gives today the figures of its manifest and card, to the digit (needs the data)',
    (name) => {
      const folder = join(RELEASED, name)
      const manifest = parseManifest(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')))
      const card = readFileSync(join(folder, 'README.md'), 'utf8')
      const today = evaluated(folder, fileOf((manifest.training!['data'] as { id: string }).id))
      expect(manifest.metrics.map(({ split }) => split).sort()).toEqual(['test', 'validation'])
      for (const { split, images, ...figures } of manifest.metrics) {
        const found = today[split]!
        for (const [figure, value] of Object.entries(figures)) expect(found[figure], `${split} ${figure}`).toBeCloseTo(value as number, 5)
        const { auc, accuracy, balancedAccuracy, ece, brier, nll } = found as Record<string, number>
        const cells = [auc!, accuracy!, balancedAccuracy!, ece!, brier!, nll!].map((value) => value.toFixed(3))
        expect(card).toContain(`| ${[split, ...cells, images].join(' | ')} |`)
      }
    },
    120_000,
  )
})
