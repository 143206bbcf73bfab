/** A configuration in, the name and shape of every weight out: timm's names, the structure's own behind `attn.`. */
import { type NetworkConfig, tokenCount } from './network-config.ts'

export type WeightShapes = ReadonlyMap<string, readonly number[]>

/** Every weight of the network, in the order of its computation. */
export function weightShapes(config: NetworkConfig): WeightShapes {
  const { width, channels, patchSize, patchOverlap, classes } = config
  const side = patchSize + 2 * patchOverlap
  const layers = Array.from({ length: config.depth }, (_, layer) => blockShapes(config, layer))
  return new Map<string, readonly number[]>([
    ['cls_token', [1, 1, width]],
    ['pos_embed', [1, tokenCount(config), width]],
    ['patch_embed.proj.weight', [width, channels, side, side]],
    ['patch_embed.proj.bias', [width]],
    ...layers.flat(),
    ['norm.weight', [width]],
    ['norm.bias', [width]],
    ['head.weight', [classes, width]],
    ['head.bias', [classes]],
  ])
}

function blockShapes(config: NetworkConfig, layer: number): [string, readonly number[]][] {
  const { width } = config
  const hidden = Math.round(width * config.mlpRatio)
  const shapes: [string, readonly number[]][] = [
    ['norm1.weight', [width]],
    ['norm1.bias', [width]],
    ['attn.qkv.weight', [3 * width, width]],
    ['attn.qkv.bias', [3 * width]],
    ...(config.structuredLayers.includes(layer) ? structureShapes(config) : []),
    ['attn.proj.weight', [width, width]],
    ['attn.proj.bias', [width]],
    ['norm2.weight', [width]],
    ['norm2.bias', [width]],
    ['mlp.fc1.weight', [hidden, width]],
    ['mlp.fc1.bias', [hidden]],
    ['mlp.fc2.weight', [width, hidden]],
    ['mlp.fc2.bias', [width]],
  ]
  return shapes.map(([name, shape]) => [`blocks.${layer}.${name}`, shape])
}

function structureShapes(config: NetworkConfig): [string, readonly number[]][] {
  const { heads, dcmm, sbm } = config
  const headWidth = config.width / heads
  if (dcmm !== null) {
    return [
      ['attn.membership.weight', [dcmm.communities, headWidth]],
      ['attn.membership.bias', [dcmm.communities]],
      ['attn.degree.weight', [1, headWidth]],
      ['attn.degree.bias', [1]],
      ['attn.block_logits', [heads, dcmm.communities, dcmm.communities]],
      ['attn.bias_scale', [1]],
    ]
  }
  if (sbm === null) return []
  return [
    ['attn.cluster', [heads, sbm.communities, headWidth]],
    ['attn.cluster_mlp.fc1.weight', [headWidth, headWidth]],
    ['attn.cluster_mlp.fc1.bias', [headWidth]],
    ['attn.cluster_mlp.fc2.weight', [headWidth, headWidth]],
    ['attn.cluster_mlp.fc2.bias', [headWidth]],
  ]
}
