import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { PAGE, RECORDS, readRecords } from '../../../models/compare.ts'
import { comparisonPage } from '../../../models/comparison/comparison-page.ts'
import type { RunRecord } from '../../../models/comparison/run-record.ts'
import { findRecipe } from '../../../models/recipes/find-recipe.ts'

describe('the table of the seeds', () => {
  it('is the page that the records make now', () => {
    expect(readFileSync(PAGE, 'utf8')).toBe(comparisonPage(readRecords()))
  })

  it.each(readRecords().map((record) => [`${record.recipe}-seed${record.seed}`, record] as const))(
    '%s is small, of a recipe that exists, and of its whole budget',
    (name, record) => {
      expect(statSync(join(RECORDS, `${name}.json`)).size).toBeLessThan(20_000)
      expect(record.epochs).toBe(findRecipe(record.recipe).training.epochs)
      expect(record.curves).toHaveLength(record.epochs)
      expect(record.checkpointSha256).toMatch(/^[0-9a-f]{64}$/)
    },
  )

  const run = (recipe: string, seed: number, auc: number): RunRecord => {
    const figures = { images: 156, auc, accuracy: 0.8, balancedAccuracy: 0.8, nll: 0.4, ece: 0.1 }
    const interval = { low: 0, high: 1 }
    return {
      recipe,
      title: recipe,
      seed,
      dataSet: 'breastmnist',
      dataSha256: '',
      checkpointSha256: '',
      backend: '',
      epochs: 1,
      selectedEpoch: 1,
      validation: figures,
      test: figures,
      aucInterval: interval,
      accuracyInterval: interval,
      temperature: 1,
      calibrated: { nll: 0.4, ece: 0.1 },
      withoutStructure: null,
      structure: [],
      sampling: null,
      curves: [],
    }
  }
  const runs = (name: string, ...aucs: readonly number[]): RunRecord[] => aucs.map((auc, seed) => run(name, seed, auc))
  const plain = runs('vit-tiny-patch4-28.compare-breast', 0.85, 0.86, 0.87)

  it('says who wins only where the interval of the paired differences leaves 0', () => {
    const page = comparisonPage([
      ...plain,
      ...runs('dcmm-vit-tiny-patch4-28.compare-breast', 0.87, 0.881, 0.889),
      ...runs('dcmm-vit-tiny-patch4-28.compare-breast-released', 0.8, 0.811, 0.819),
      ...runs('sbm-vit-tiny-patch4-28.compare-breast', 0.9, 0.8, 0.88),
    ])
    expect(page).toContain("**Better than the plain ViT in AUC: DCMM-ViT, last layer.** Worse: DCMM-ViT, last layer, the authors' setting. Not to be told apart from it: SBM-ViT.")
    expect(page).toContain('0.860 ± 0.010')
  })

  it('says that none wins where none does, nothing of one seed, and how many seeds are to come', () => {
    expect(comparisonPage([...plain, ...runs('sbm-vit-tiny-patch4-28.compare-breast', 0.9, 0.8, 0.88)])).toContain('**No structure wins over the plain ViT in AUC.**')
    expect(comparisonPage([...plain.slice(0, 1), ...runs('sbm-vit-tiny-patch4-28.compare-breast', 0.9)])).toContain('One seed of each: nothing can be said')
    expect(comparisonPage(plain)).toContain('Unfinished: 5 seeds are to come')
  })

  it('names the backends of the trainings, with their numbers where there is more than one', () => {
    const on = (backend: string, seed: number): RunRecord => ({ ...run('vit-tiny-patch4-28.compare-breast', seed, 0.8), backend })
    expect(comparisonPage([on('one', 0), on('one', 1)])).toContain('\nTrained on one.\n')
    expect(comparisonPage([on('one', 0), on('two', 1), on('two', 2)])).toContain('\nTrained on two (2 runs) and one (1 run). The backends round')
  })

  it("counts a layer as dead by the rule of the card's warning, also where degrees live and the bias is not felt", () => {
    const layer = {
      layer: 5,
      zeroDegreeShare: 0.6,
      meanDegree: 1,
      largestClassTokenBias: 0.04,
      classTokenBiasSpread: 0,
      effectiveCommunities: 2,
      membershipConfidence: 1,
      distinctCommunities: 1,
    }
    const structured = (bias: number, seed: number): RunRecord => ({
      ...run('dcmm-vit-tiny-patch4-28.compare-breast', seed, 0.8),
      structure: [{ ...layer, largestClassTokenBias: bias }],
    })
    expect(comparisonPage([structured(0.04, 0), structured(0.06, 1), structured(-0.03, 2)])).toContain('| 0.60 | 2 of 3 |')
  })

  it('tells with each set that has runs what must be known before its figures are compared', () => {
    const retina = comparisonPage(runs('vit-tiny-patch4-28.compare-retina', 0.75))
    expect(retina).toContain('carries little signal: the linear floor already beats both ResNet-18 rows')
    expect(retina).not.toContain('42 of them malignant')
    expect(comparisonPage(plain)).toContain('42 of them malignant')
  })
})
