import * as tf from '@tensorflow/tfjs'
import { beforeAll, describe, expect, it } from 'vitest'
import { forward } from '../../../models/forward.ts'
import { initialWeights } from '../../../models/initial-weights.ts'
import { plainPrimitives } from '../../../models/layers/plain-primitives.ts'
import type { NetworkConfig } from '../../../models/network-config.ts'
import { DCMM_VIT_FINE_TUNE, VIT_FINE_TUNE } from '../../../models/recipes/fine-tune-224.ts'
import { writeSafetensors } from '../../../models/safetensors.ts'
import { weightsOfFile } from '../../../models/starting-point/given-weights.ts'
import { readStartingPoint } from '../../../models/starting-point/read-starting-point.ts'
import { toTfTensors } from '../../../models/variables.ts'
import { weightShapes } from '../../../models/weight-shapes.ts'
import { sizeOf, type Tensor, tensorOf } from '../../../src/tensor/tensor.ts'
import { loudWeights, smallDcmm, smallPixels, smallVit } from '../support/small-network.ts'
import { useBackend } from '../support/use-backend.ts'

beforeAll(() => useBackend('cpu'))

const gray = { channels: 1, imageSize: 12 }
const fresh = (config: NetworkConfig) => initialWeights(config, 11)
const start = (tensors: ReadonlyMap<string, Tensor>, config: NetworkConfig, allowed: readonly string[] = []) =>
  readStartingPoint(weightsOfFile(writeSafetensors(tensors, {})), config, fresh(config), allowed)
const without = (tensors: ReadonlyMap<string, Tensor>, pattern: RegExp) => new Map([...tensors].filter(([name]) => !pattern.test(name)))

function logitsOf(config: NetworkConfig, weights: ReadonlyMap<string, Tensor>, pixels: Tensor): number[] {
  return tf.tidy(() => [
    ...forward(config, toTfTensors(weights), tf.tensor4d(pixels.data, pixels.shape as [number, number, number, number]), { primitives: plainPrimitives }).logits.dataSync(),
  ])
}

/** The same plane in each channel: [batch, channels, height, width]. */
const repeated = ({ shape: [batch = 0, , height = 0, width = 0], data }: Tensor, channels: number): Tensor => {
  const plane = height * width
  const all = Array.from({ length: batch }, (_, i) => Array.from({ length: channels }, () => [...data.subarray(i * plane, (i + 1) * plane)]).flat()).flat()
  return tensorOf(Float32Array.from(all), [batch, channels, height, width])
}

const expectClose = (actual: readonly number[], expected: readonly number[]): void => {
  expect(Math.max(...expected.map(Math.abs))).toBeGreaterThan(0.1)
  actual.forEach((value, i) => {
    expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5)
  })
}

describe('readStartingPoint', () => {
  it("takes a network's own weights back as they are", () => {
    const config = smallDcmm()
    const weights = loudWeights(config)
    const point = start(weights, config)
    expect(point).toMatchObject({ fresh: [], unused: [] })
    expect(point.weights).toEqual(weights)
  })

  it('gives a gray network what the color network answers to the same image three times, and a color network what the gray one answers', () => {
    const [color, mono] = [smallVit({ ...gray, channels: 3 }), smallVit(gray)]
    const pixels = smallPixels(mono, 2)
    expectClose(logitsOf(mono, start(loudWeights(color), mono).weights, pixels), logitsOf(color, loudWeights(color), repeated(pixels, 3)))
    expectClose(logitsOf(color, start(loudWeights(mono), color).weights, repeated(pixels, 3)), logitsOf(mono, loudWeights(mono), pixels))
  })

  it('gives a network whose patches overlap the answers of the one whose patches do not', () => {
    const [apart, overlapping] = [smallVit(), smallVit({ patchOverlap: 2 })]
    const pixels = smallPixels(apart, 2)
    expectClose(logitsOf(overlapping, start(loudWeights(apart), overlapping).weights, pixels), logitsOf(apart, loudWeights(apart), pixels))
  })

  it('resizes position embeddings to the grid of another image size', () => {
    const [from, to] = [smallVit(), smallVit({ imageSize: 20 })]
    const { weights, fresh: untouched } = start(loudWeights(from), to)
    expect(untouched).toEqual([])
    expect(weights.get('pos_embed')?.shape).toEqual([1, 26, 12])
    expect(weights.get('pos_embed')?.data.subarray(0, 12)).toEqual(loudWeights(from).get('pos_embed')?.data.subarray(0, 12))
  })

  it("takes the state dict of the authors' release: its names, its scalar scale, its unused sets in other layers, behind DataParallel", () => {
    const config = smallDcmm()
    const weights = loudWeights(config)
    const official: Readonly<Record<string, string>> = { membership: 'group_proj', degree: 'theta_proj', block_logits: 'affinity_B', bias_scale: 'cp_bias_scale' }
    const released = [...weights].flatMap(([name, tensor]): [string, Tensor][] => {
      const [, own, rest = ''] = /^blocks\.2\.attn\.(membership|degree|block_logits|bias_scale)(.*)$/.exec(name) ?? []
      if (own === undefined) return [[`module.${name}`, tensor]]
      const shaped = own === 'bias_scale' ? tensorOf(tensor.data, []) : tensor
      return [0, 1, 2].map((layer) => [
        `module.blocks.${layer}.attn.${official[own]}${rest}`,
        layer === 2
          ? shaped
          : tensorOf(
              shaped.data.map(() => 77),
              shaped.shape,
            ),
      ])
    })
    const point = start(new Map(released), config)
    expect(point).toMatchObject({ fresh: [], unused: [] })
    expect(point.weights).toEqual(weights)
  })

  it('keeps the fresh structure of a DCMM that starts from a plain ViT, where that is named', () => {
    const config = smallDcmm()
    const plain = loudWeights(smallVit())
    const { weights, fresh: kept } = start(plain, config, ['blocks.2.attn.membership.*', 'blocks.2.attn.degree.*', '*.block_logits', '*.bias_scale'])
    expect(kept).toHaveLength(6)
    for (const name of kept) expect(weights.get(name)).toEqual(fresh(config).get(name))
    expect(weights.get('head.weight')).toEqual(plain.get('head.weight'))
  })

  it('keeps a fresh head where the file tells other classes apart, where that is named', () => {
    const { weights, fresh: kept } = start(loudWeights(smallVit({ classes: 7 })), smallVit(), ['head.*'])
    expect(kept).toEqual(['head.weight', 'head.bias'])
    expect(weights.get('head.bias')?.shape).toEqual([3])
  })

  it.each<[string, ReadonlyMap<string, Tensor>, NetworkConfig, readonly string[], string, RegExp]>([
    ['a missing weight', without(loudWeights(smallVit()), /norm\.bias/), smallVit(), [], 'checkpoint-invalid', /norm\.bias is missing/],
    ['a leftover', new Map([...loudWeights(smallVit()), ['dist_token', tensorOf(new Float32Array(1), [1])]]), smallVit(), [], 'checkpoint-invalid', /dist_token has no place/],
    ['another width', loudWeights(smallVit({ width: 24 })), smallVit(), [], 'checkpoint-invalid', /cls_token is \[1, 1, 24\] and not \[1, 1, 12\]/],
    ['a smaller window of patches', loudWeights(smallVit({ patchOverlap: 1 })), smallVit(), [], 'checkpoint-invalid', /patch_embed\.proj\.weight/],
    ['an allowance that nothing needs', loudWeights(smallVit()), smallVit(), ['heads.*'], 'parameter-invalid', /heads\.\*/],
    [
      'a value that is not finite',
      new Map([...loudWeights(smallVit()), ['norm.bias', tensorOf(new Float32Array(12).fill(Number.NaN), [12])]]),
      smallVit(),
      [],
      'checkpoint-invalid',
      /norm\.bias/,
    ],
  ])('refuses %s, by name', (_, tensors, config, allowed, code, message) => {
    expect(() => start(tensors, config, allowed)).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) }))
  })

  // Published: timm's vit_tiny_patch16_224 has 5,717,416 weights; counted on the authors' module (models 1.3): 21,666,819 of ViT small with 3 classes, 123,334 of the structure.
  it('meets networks of the published sizes', () => {
    const count = (config: NetworkConfig): number => [...weightShapes(config).values()].reduce((sum, shape) => sum + sizeOf(shape), 0)
    expect(count({ ...VIT_FINE_TUNE.network, classes: 1000 })).toBe(5_717_416)
    expect(count({ ...DCMM_VIT_FINE_TUNE.network, classes: 3 })).toBe(21_666_819 + 123_334)
  })
})
