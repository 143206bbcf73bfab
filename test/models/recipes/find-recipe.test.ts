import { describe, expect, it } from 'vitest'
import { parseNetworkConfig } from '../../../models/parse-network-config.ts'
import { COMPARED_SETS } from '../../../models/recipes/comparison.ts'
import { findRecipe, RECIPES } from '../../../models/recipes/find-recipe.ts'

describe('the recipes', () => {
  it.each(RECIPES.map((recipe) => [recipe.name, recipe] as const))('%s is a network that can be built, and its name says which', (name, { network }) => {
    expect(parseNetworkConfig(JSON.parse(JSON.stringify(network)))).toEqual(network)
    expect(name).toMatch(new RegExp(`^${network.network}-[a-z]+-patch${network.patchSize}-${network.imageSize}\\.`))
  })

  const ends = ['pneumonia', 'pneumonia-pretrained', 'breast-pretrained', 'retina-pretrained', 'brain', 'brain-balanced'].map((end) => ({
    set: end,
    mark: new RegExp(`\\.${end}$`),
  }))

  it.each([...ends, ...COMPARED_SETS.map(({ name }) => ({ set: `${name} in the comparison`, mark: new RegExp(`\\.compare-${name}`) }))])(
    'for $set share backbone and procedure, so that they can be compared',
    ({ mark }) => {
      const [first, ...others] = RECIPES.filter(({ name }) => mark.test(name)).map(({ network, training }) => {
        const { network: _, structuredLayers, dcmm, sbm, ...backbone } = network
        const { initialMembershipDeviation, ...procedure } = training
        return { backbone, procedure }
      })
      expect(others.length).toBeGreaterThan(1)
      for (const other of others) expect(other).toEqual(first)
    },
  )

  it('are refused by an unknown name, with the names that exist', () => {
    expect(() => findRecipe('resnet')).toThrow(expect.objectContaining({ code: 'parameter-invalid', message: expect.stringContaining('dcmm-vit-tiny-patch4-28.pneumonia') }))
  })
})
