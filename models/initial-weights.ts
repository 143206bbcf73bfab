/** A configuration and a seed in, the weights that a training starts from out. */
import { hashName, mixKey, normalAt, uniformAt } from '../src/tensor/counter-random.ts'
import { sizeOf, type Tensor, tensorOf } from '../src/tensor/tensor.ts'
import type { NetworkConfig } from './network-config.ts'
import { weightShapes } from './weight-shapes.ts'

/** Standard deviation of every linear layer's weights and of the positions (timm's vision transformer; its cut at +-2 lies 100 SD away and is left out). */
export const LINEAR_DEVIATION = 0.02
/** The same of the class token (timm). */
const CLASS_TOKEN_SD = 1e-6

/** The same of the community embeddings, [head, community, headWidth]. */
export function clusterDeviation(shape: readonly number[]): number {
  return Math.sqrt(2 / sizeOf(shape.slice(1)))
}

/**
 * Weights by timm's names. Each tensor draws from its own key (seed, name), so that the three networks share the values of the weights that they share.
 *
 * Source: timm's vision transformer; DCMM's own tensors as in the authors' released code (block logits N(0, 1), the linear layers as all others);
 * SBM's cluster as kaiming_normal_ on [head, community, headWidth], its MLP as PyTorch's linear layers, uniform within 1 / sqrt(headWidth).
 */
export function initialWeights(config: NetworkConfig, seed: number): Map<string, Tensor> {
  const weights = new Map<string, Tensor>()
  for (const [name, shape] of weightShapes(config)) {
    const key = mixKey(seed, hashName(name))
    const valueAt = initialValue(name, shape, config, key)
    weights.set(
      name,
      tensorOf(
        Float32Array.from({ length: sizeOf(shape) }, (_, i) => valueAt(i)),
        shape,
      ),
    )
  }
  return weights
}

function initialValue(name: string, shape: readonly number[], config: NetworkConfig, key: number): (index: number) => number {
  const normal = (sd: number) => (index: number) => sd * normalAt(key, index)
  const uniform = (bound: number) => (index: number) => bound * (2 * uniformAt(key, index) - 1)
  const constant = (value: number) => () => value

  if (/norm\d?\.weight$/.test(name)) return constant(1)
  if (name.endsWith('.degree.bias')) return constant(config.dcmm?.initialDegreeBias ?? 0)
  if (name.endsWith('.bias_scale')) return constant(config.dcmm?.initialBiasScale ?? 0)
  if (name.endsWith('.block_logits')) return normal(1)
  if (name.endsWith('.cluster')) return normal(clusterDeviation(shape))
  if (name.includes('.cluster_mlp.')) return uniform(1 / Math.sqrt(config.width / config.heads))
  if (name.endsWith('.bias')) return constant(0)
  // timm leaves the patch convolution at PyTorch's default.
  if (name === 'patch_embed.proj.weight') return uniform(1 / Math.sqrt(sizeOf(shape.slice(1))))
  if (name === 'cls_token') return normal(CLASS_TOKEN_SD)
  return normal(LINEAR_DEVIATION)
}
