/** Memberships in, how much each patch belongs to the community that was trained towards masks out. */
import type { ExplanationMap } from '../domain/explanation.ts'
import type { Manifest } from '../domain/manifest.ts'
import { Problem } from '../domain/problem.ts'
import { at, type Tensor } from '../tensor/tensor.ts'
import { buildMap } from './build-map.ts'
import type { MapContext, MapMethod } from './map-method.ts'
import { meanOfRows, toHeadGrids, toPatchGrid } from './patch-grid.ts'
import { declared, outputOf } from './read-outputs.ts'

export const supervisedCommunity: MapMethod = {
  name: 'supervised-community',
  title: 'Membership of the supervised community',
  isDefault: true,
  readsTail: false,
  needs: (manifest) => (manifest.structure?.supervised === undefined ? null : declared(manifest, 'membership')),
  build: supervisedMap,
}

function supervisedMap({ manifest, outputs }: MapContext): ExplanationMap {
  const { name, community, layer } = supervisedOf(manifest)
  const position = manifest.structure?.layers.indexOf(layer) ?? 0
  const heads = membershipRows(at(outputOf(outputs.asTrained, 'membership'), position), community)
  return buildMap({
    name: 'supervised-community',
    title: `Membership of the community “${name}”`,
    kind: 'sequential',
    role: 'descriptive',
    layer,
    grid: toPatchGrid(meanOfRows(heads), manifest),
    heads: toHeadGrids(heads, manifest),
    range: { min: 0, max: 1 },
    unit: 'membership',
    method: `membership of community ${community} (from 0), mean over heads; trained with ${name} masks of the training split to be the part of the patch that is marked`,
    source: 'π of the DCMM model, arXiv:1708.07852 section 1',
    notes: [`taught by masks of readers: it tells where the network expects “${name}”, not why it chose a class`],
  })
}

/** The community's number and name, and the last layer in which masks pressed on it. */
function supervisedOf(manifest: Manifest): { readonly name: string; readonly community: number; readonly layer: number } {
  const supervised = manifest.structure?.supervised
  if (supervised === undefined) throw new Problem('output-missing', 'no community of this model was supervised', { output: 'membership' })
  return { ...supervised, layer: Math.max(...supervised.layers) }
}

/** [head, token, community] becomes one community's [head][token]. */
function membershipRows(membership: Tensor, community: number): readonly Float64Array[] {
  const [heads = 0, tokens = 0, communities = 0] = membership.shape
  return Array.from({ length: heads }, (_, head) => {
    const { data } = at(membership, head)
    return Float64Array.from({ length: tokens }, (_, token) => data[token * communities + community] ?? 0)
  })
}
