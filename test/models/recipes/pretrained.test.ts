import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeCheckpoint } from '../../../models/checkpoint.ts'
import { encoderOf, initialPretrainingWeights } from '../../../models/pretraining/masked-autoencoder.ts'
import { PRETRAINING_RECIPES } from '../../../models/pretraining/pretraining-recipe.ts'
import type { Recipe } from '../../../models/recipes/recipe.ts'
import { SMALL_128_RECIPES } from '../../../models/recipes/small-128.ts'
import { LIVE_SBM_PNEUMONIA, TINY_28_COLOR_RECIPES, TINY_28_RECIPES } from '../../../models/recipes/tiny-28.ts'
import { weightsOfFile } from '../../../models/starting-point/given-weights.ts'
import { readStartingPoint } from '../../../models/starting-point/read-starting-point.ts'
import { freshWeights } from '../../../models/training/run-training.ts'

const RELEASED_LIMIT_BYTES = 4e6

function encoder(pretraining: string): Uint8Array {
  const recipe = PRETRAINING_RECIPES.find(({ name }) => name === pretraining)
  if (recipe === undefined) throw new Error(`no pre-training ${pretraining}`)
  return writeCheckpoint({ config: recipe.network, weights: encoderOf(recipe, initialPretrainingWeights(recipe, 0)), metadata: {} })
}

/** What the pre-trained file may lack: the structure's own weights, and the head where the classes are not its two. */
function expectedFresh(network: Recipe['network']): RegExp {
  const head = network.classes === 2 ? [] : ['head\\.(weight|bias)']
  const structure = {
    vit: [],
    'dcmm-vit': ['blocks\\.5\\.attn\\.(membership\\.\\w+|degree\\.\\w+|block_logits|bias_scale)'],
    'sbm-vit': ['blocks\\.\\d\\.attn\\.cluster(_mlp\\..+)?'],
  }
  return new RegExp(`^(${[...head, ...structure[network.network]].join('|') || '(?!)'})$`)
}

/** A DCMM has six weights of its own in its one structured layer, an SBM five in each of its layers. */
function expectedCount({ network, classes, structuredLayers }: Recipe['network']): number {
  return (classes === 2 ? 0 : 2) + { vit: 0, 'dcmm-vit': 6, 'sbm-vit': 5 }[network] * structuredLayers.length
}

describe.each([
  ['vit-tiny-patch4-28.masked-patches', [...TINY_28_RECIPES, LIVE_SBM_PNEUMONIA]],
  ['vit-tiny-patch4-28.masked-patches-color', TINY_28_COLOR_RECIPES],
])('the encoder %s, which comes along,', (name, recipes) => {
  const bytes = readFileSync(resolve(import.meta.dirname, `../../../models/pretrained/${name}.safetensors`))

  it.each(recipes.map((recipe) => [recipe.name, recipe] as const))('starts %s and names its data', (_, recipe) => {
    const fresh = freshWeights(recipe, 0)
    const allowed = [...fresh.keys()].filter((name) => expectedFresh(recipe.network).test(name))
    const start = readStartingPoint(weightsOfFile(bytes), recipe.network, fresh, allowed)
    expect(start.unused).toEqual([])
    expect(start.fresh).toHaveLength(expectedCount(recipe.network))
    expect(JSON.stringify(start)).toContain('NIH ChestX-ray14')
  })

  it('is the file that its page names', () => {
    const page = readFileSync(resolve(import.meta.dirname, '../../../models/pretrained/README.md'), 'utf8')
    expect(page).toContain(createHash('sha256').update(bytes).digest('hex'))
  })
})

describe.each([
  ['128', 'vit-small-patch8-128.masked-patches', SMALL_128_RECIPES],
  ['28', 'vit-tiny-patch4-28.masked-patches', [...TINY_28_RECIPES, LIVE_SBM_PNEUMONIA]],
  ['28 (color)', 'vit-tiny-patch4-28.masked-patches-color', TINY_28_COLOR_RECIPES],
])('the recipes at %s pixels that start from masked patches', (_size, pretraining, recipes) => {
  const bytes = encoder(pretraining)

  it.each(recipes.map((recipe) => [recipe.name, recipe] as const))('%s takes all of the pre-trained encoder and only lacks structure and head', (_, recipe) => {
    const fresh = freshWeights(recipe, 0)
    const { fresh: lacking, unused } = readStartingPoint(
      weightsOfFile(bytes),
      recipe.network,
      fresh,
      [...fresh.keys()].filter((name) => expectedFresh(recipe.network).test(name)),
    )
    expect(unused).toEqual([])
    expect(lacking).toHaveLength(expectedCount(recipe.network))
  })

  it.each(recipes.map((recipe) => [recipe.name, recipe] as const))('%s is no larger than a released model may be', (_, recipe) => {
    const numbers = [...freshWeights(recipe, 0).values()].reduce((sum, { data }) => sum + data.length, 0)
    expect(numbers * Float32Array.BYTES_PER_ELEMENT).toBeLessThan(RELEASED_LIMIT_BYTES)
  })
})
