/** Tensors by the names of another project in, by ours out: timm's are ours already, the authors' DCMM release has its own for the structure. */
import { type Tensor, tensorOf } from '../../src/tensor/tensor.ts'

/**
 * What the authors' released module calls the structure's tensors (Shawey94/DCMM-Transformer ViT.py, class Attention, at 10f17db).
 * Shapes agree but for the scale of the bias, a scalar there.
 */
const RELEASED_NAMES: Readonly<Record<string, string>> = {
  'group_proj.weight': 'membership.weight',
  'group_proj.bias': 'membership.bias',
  'theta_proj.weight': 'degree.weight',
  'theta_proj.bias': 'degree.bias',
  affinity_B: 'block_logits',
  cp_bias_scale: 'bias_scale',
}

/** What torch.nn.DataParallel puts before every name. */
const PARALLEL_PREFIX = 'module.'

/**
 * The tensors under our names.
 *
 * structuredLayers  of our network: the release has the structure's tensors in every layer and uses those of the last alone, so that the
 *                   sets of layers without structure are left out
 */
export function renameTensors(tensors: ReadonlyMap<string, Tensor>, structuredLayers: readonly number[]): Map<string, Tensor> {
  const isParallel = tensors.size > 0 && [...tensors.keys()].every((name) => name.startsWith(PARALLEL_PREFIX))
  const renamed = new Map<string, Tensor>()
  for (const [name, tensor] of tensors) {
    const plain = isParallel ? name.slice(PARALLEL_PREFIX.length) : name
    const [, layer, own] = /^blocks\.(\d+)\.attn\.(.+)$/.exec(plain) ?? []
    const ours = own !== undefined && Object.hasOwn(RELEASED_NAMES, own) ? RELEASED_NAMES[own] : undefined
    if (ours === undefined) renamed.set(plain, tensor)
    else if (structuredLayers.includes(Number(layer))) renamed.set(`blocks.${layer}.attn.${ours}`, tensor.shape.length === 0 ? tensorOf(tensor.data, [1]) : tensor)
  }
  return renamed
}
