import { describe, expect, it } from 'vitest'
import { writeCheckpoint } from '../../../models/checkpoint.ts'
import { encoderOf, initialPretrainingWeights } from '../../../models/pretraining/masked-autoencoder.ts'
import { PRETRAINING_RECIPES } from '../../../models/pretraining/pretraining-recipe.ts'
import { SMALL_128_RECIPES } from '../../../models/recipes/small-128.ts'
import { readStartingPoint } from '../../../models/starting-point/read-starting-point.ts'
import { freshWeights } from '../../../models/training/run-training.ts'

const RELEASED_LIMIT_BYTES = 4e6

function encoder(): Uint8Array {
  const recipe = PRETRAINING_RECIPES.find(({ name }) => name === 'vit-small-patch8-128.masked-patches')
  if (recipe === undefined) throw new Error('no pre-training at 128 pixels')
  return writeCheckpoint({ config: recipe.network, weights: encoderOf(recipe, initialPretrainingWeights(recipe, 0)), metadata: {} })
}

/** What the pre-trained file may lack: the structure's own weights, and the head where the classes are not its two. */
function expectedFresh(network: (typeof SMALL_128_RECIPES)[number]['network']): RegExp {
  const head = network.classes === 2 ? [] : ['head\\.(weight|bias)']
  const structure = {
    vit: [],
    'dcmm-vit': ['blocks\\.5\\.attn\\.(membership\\.\\w+|degree\\.\\w+|block_logits|bias_scale)'],
    'sbm-vit': ['blocks\\.\\d\\.attn\\.cluster(_mlp\\..+)?'],
  }
  return new RegExp(`^(${[...head, ...structure[network.network]].join('|') || '(?!)'})$`)
}

/** A DCMM has six weights of its own in its one structured layer, an SBM five in each of six. */
function expectedCount({ network, classes }: (typeof SMALL_128_RECIPES)[number]['network']): number {
  return (classes === 2 ? 0 : 2) + { vit: 0, 'dcmm-vit': 6, 'sbm-vit': 30 }[network]
}

describe('the recipes at 128 pixels', () => {
  const bytes = encoder()

  it.each(SMALL_128_RECIPES.map((recipe) => [recipe.name, recipe] as const))('%s takes all of the pre-trained encoder and only lacks structure and head', (_, recipe) => {
    const fresh = freshWeights(recipe, 0)
    const { fresh: lacking, unused } = readStartingPoint(
      bytes,
      recipe.network,
      fresh,
      [...fresh.keys()].filter((name) => expectedFresh(recipe.network).test(name)),
    )
    expect(unused).toEqual([])
    expect(lacking).toHaveLength(expectedCount(recipe.network))
  })

  it.each(SMALL_128_RECIPES.map((recipe) => [recipe.name, recipe] as const))('%s is no larger than a released model may be', (_, recipe) => {
    const numbers = [...freshWeights(recipe, 0).values()].reduce((sum, { data }) => sum + data.length, 0)
    expect(numbers * Float32Array.BYTES_PER_ELEMENT).toBeLessThan(RELEASED_LIMIT_BYTES)
  })
})
