/** Faults of published heat maps that only show when a whole bundle runs more than once; the others have their tests where docs/explanations.md says. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { explainInput } from '../../models/explanations/explain-input.ts'
import { replaceWeights } from '../../models/graph-weights.ts'
import type { BundleFiles } from '../../src/infer/bundle-files.ts'
import { type Bundle, openBundle } from '../../src/infer/load-bundle.ts'
import { mixKey, normalAt } from '../../src/tensor/counter-random.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import { loadGolden } from '../models/support/golden.ts'
import { goldenBundle, goldenInput } from '../support/golden-bundle.ts'

describe.each(['dcmm', 'sbm-expected'] as const)('a bundle of %s', (name) => {
  const golden = loadGolden(name)
  const [first, second] = [goldenInput(golden, 0), goldenInput(golden, 1)]
  let files: BundleFiles
  let bundle: Bundle

  beforeAll(async () => {
    files = goldenBundle(golden)
    bundle = await openBundle(files)
  })
  afterAll(() => bundle.release())

  it('keeps nothing of the image before: a, b, a gives the first and the third the same bits, at once too (fault 16)', async () => {
    const before = await explainInput(bundle, first, null)
    const between = await explainInput(bundle, second, null)
    expect(await explainInput(bundle, first, null)).toEqual(before)
    expect(await Promise.all([first, second, first].map((input) => explainInput(bundle, input, null)))).toEqual([before, between, before])
    expect(between.maps).not.toEqual(before.maps)
  })

  it('explains the prediction that it makes: the logits are those of a run that asks for nothing else, bit for bit (fault 11)', async () => {
    const { asTrained } = await bundle.run(first, { outputs: ['logits'], withoutStructure: false, seed: 0, samples: 0 })
    const { classes } = await explainInput(bundle, first, null)
    expect(classes.map(({ logit }) => logit)).toEqual([...asTrained.logits!.data])
  })

  it('draws another map when the weights are shaken: no gradient is frozen into the graph (fault 14)', async () => {
    const shaken = new Map(
      [...golden.weights].map(([weight, { shape, data }], i) => [
        weight,
        tensorOf(
          data.map((value, at) => value + 0.05 * normalAt(mixKey(3, i), at)),
          shape,
        ),
      ]),
    )
    const other = await openBundle(replaceWeights(files, shaken))
    try {
      const [trained, changed] = [await explainInput(bundle, first, null), await explainInput(other, first, null)]
      for (const map of ['evidence', 'knockout', 'attention']) {
        const gridOf = (explanation: typeof trained) => explanation.maps.find((candidate) => candidate.name === map)!.grid.data
        expect(gridOf(changed), map).not.toEqual(gridOf(trained))
      }
    } finally {
      await other.release()
    }
  })
})
