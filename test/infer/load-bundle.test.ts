import { createHash } from 'node:crypto'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeModel } from '../../export/onnx/encode-model.ts'
import { NodeList } from '../../export/onnx/node-list.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import type { OutputName } from '../../src/domain/outputs.ts'
import type { BundleFiles } from '../../src/infer/bundle-files.ts'
import { type Bundle, loadBundle, openBundle } from '../../src/infer/load-bundle.ts'
import { nodeRuntime } from '../../src/infer/node-runtime.ts'
import type { Runtime } from '../../src/infer/runtime.ts'
import { at, meanOverFirstAxis, type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { excess, GOLDEN_TOLERANCE, loadGolden } from '../models/support/golden.ts'
import { goldenBundle, goldenInput, withManifest } from '../support/golden-bundle.ts'

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const request = (outputs: readonly OutputName[], more: { withoutStructure?: boolean; seed?: number; samples?: number } = {}) => ({
  outputs,
  withoutStructure: false,
  seed: 0,
  samples: 0,
  ...more,
})

/** Layers' golden tensors of one image, stacked as the bundle stacks them. */
const stackedGolden = (expected: ReadonlyMap<string, Tensor>, name: string, layers: readonly number[], image: number, perImage = true): Tensor => {
  const parts = layers.map((layer) => expected.get(`layer${layer}.${name}`)!).map((tensor) => (perImage ? at(tensor, image) : tensor))
  return tensorOf(Float32Array.from(parts.flatMap(({ data }) => [...data])), [parts.length, ...parts[0]!.shape])
}

const stackOf = (images: readonly Tensor[]): Tensor => tensorOf(Float32Array.from(images.flatMap(({ data }) => [...data])), [images.length, ...images[0]!.shape])

describe('a bundle of the DCMM golden network', () => {
  const golden = loadGolden('dcmm-all')
  let folder: string
  let bundle: Bundle

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'attending-bundle-'))
    const files = goldenBundle(golden)
    await writeFile(join(folder, 'manifest.json'), files.manifestBytes)
    await writeFile(join(folder, 'model.onnx'), files.graph)
    await writeFile(join(folder, 'tail.onnx'), files.tail!)
    bundle = await loadBundle(folder)
  })
  afterAll(async () => {
    await bundle.release()
    await rm(folder, { recursive: true })
  })

  it('gives each output in the axes of the domain, layers stacked and the batch gone', async () => {
    const { asTrained } = await bundle.run(goldenInput(golden, 1), request(['attentionAll', 'membership', 'degree', 'bias', 'block', 'attention', 'scores', 'tokens']))
    const { expected } = golden
    const wanted: [OutputName, Tensor][] = [
      ['logits', at(expected.get('logits')!, 1)],
      ['tokens', at(expected.get('tokens')!, 1)],
      ['attention', at(expected.get('layer1.attention')!, 1)],
      ['scores', at(expected.get('layer1.scores')!, 1)],
      ['attentionAll', stackedGolden(expected, 'attention', [0, 1], 1)],
      ['membership', stackedGolden(expected, 'membership', [0, 1], 1)],
      ['degree', stackedGolden(expected, 'degree', [0, 1], 1)],
      ['bias', stackedGolden(expected, 'bias', [0, 1], 1)],
      ['block', stackedGolden(expected, 'block', [0, 1], 1, false)],
    ]
    expect(wanted.map(([name, tensor]) => [name, excess(asTrained[name]!, tensor, GOLDEN_TOLERANCE)] as const).filter(([, ratio]) => ratio > 1)).toEqual([])
  })

  it('runs the counterfactual in the same batch without changing a bit of the answer', async () => {
    const alone = await bundle.run(goldenInput(golden, 0), request(['attention']))
    const both = await bundle.run(goldenInput(golden, 0), request(['attention'], { withoutStructure: true }))
    expect(both.asTrained).toEqual(alone.asTrained)
    expect(alone.withoutStructure).toBeNull()
    expect(excess(both.withoutStructure!.logits!, at(golden.expected.get('explain.logitsWithoutStructure')!, 0), GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
  })

  it('fetches nothing that was not asked for but the logits', async () => {
    const { asTrained } = await bundle.run(goldenInput(golden, 0), request(['degree']))
    expect(Object.keys(asTrained).sort()).toEqual(['degree', 'logits'])
  })

  it('gives the logits of many images in one call, each those of the image alone', async () => {
    const images = [0, 1, 0].map((image) => goldenInput(golden, image).pixels)
    const logits = await bundle.forward(stackOf(images), 0)
    expect(logits.shape).toEqual([3, 3])
    for (const image of [0, 1]) expect(excess(at(logits, image), at(golden.expected.get('logits')!, image), GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
    expect(at(logits, 2)).toEqual(at(logits, 0))
  })

  it('refuses many images where one has another shape, or a value that is not finite', async () => {
    await expect(bundle.forward(tensorOf(new Float32Array(2 * 15 * 16), [2, 1, 15, 16]), 0)).rejects.toMatchObject({ code: 'shape-mismatch' })
    const spoilt = tensorOf(new Float32Array(2 * 256).fill(Number.NaN, 300, 301), [2, 1, 16, 16])
    await expect(bundle.forward(spoilt, 0)).rejects.toMatchObject({ code: 'output-not-finite', facts: { output: 'pixels' } })
    await expect(bundle.forward(tensorOf(new Float32Array(2 * 256).fill(3e38, 256), [2, 1, 16, 16]), 0)).rejects.toMatchObject({ code: 'output-not-finite' })
  })

  it('hands many images to a graph with channels last in its own layout', async () => {
    const seen: (readonly [readonly number[], ArrayLike<number>])[] = []
    const runtime: Runtime = {
      ...nodeRuntime,
      open: async (bytes) => {
        const session = await nodeRuntime.open(bytes)
        return {
          ...session,
          run: (feeds, fetches) => {
            const { shape, data } = feeds['pixels']!
            seen.push([shape, data])
            // The graph itself has its one channel first: the same values in another shape.
            return session.run({ ...feeds, pixels: { type: 'float32', shape: [shape[0]!, shape[3]!, shape[1]!, shape[2]!], data: data as Float32Array } }, fetches)
          },
        }
      },
    }
    const files = goldenBundle(golden)
    const last = await openBundle(withManifest(files, { ...files.manifest, input: { ...files.manifest.input, layout: 'nhwc' } }), { runtime })
    const pixels = stackOf([0, 1].map((image) => goldenInput(golden, image).pixels))
    const logits = await last.forward(pixels, 0)
    await last.release()
    expect(seen.at(-1)![0]).toEqual([2, 16, 16, 1])
    expect(logits).toEqual(await bundle.forward(pixels, 0))
  })

  it('refuses an input of another shape, and one with a value that is not finite', async () => {
    const { placement } = goldenInput(golden, 0)
    const wrong = tensorOf(new Float32Array(15 * 16), [1, 15, 16])
    await expect(bundle.run({ pixels: wrong, placement }, request([]))).rejects.toMatchObject({ code: 'shape-mismatch', facts: { expected: [1, 16, 16], actual: [1, 15, 16] } })
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const pixels = tensorOf(new Float32Array(256).fill(bad, 7, 8), [1, 16, 16])
      await expect(bundle.run({ pixels, placement }, request([]))).rejects.toMatchObject({ code: 'output-not-finite', facts: { output: 'pixels' } })
    }
  })

  it('tells an output that overflowed instead of answering with it', async () => {
    const pixels = tensorOf(new Float32Array(256).fill(3e38), [1, 16, 16])
    await expect(bundle.run({ pixels, placement: goldenInput(golden, 0).placement }, request([]))).rejects.toMatchObject({ code: 'output-not-finite' })
  })

  it('refuses a tail that takes other inputs than today', async () => {
    const files = goldenBundle(golden)
    const older = { ...files.manifest, tail: { file: 'tail.onnx' as const, sha256: sha256(files.graph) } }
    await expect(openBundle({ ...withManifest(files, older), tail: files.graph })).rejects.toMatchObject({
      code: 'bundle-refused',
      facts: { reason: 'input-mismatch' },
      message: expect.stringContaining('not scores, values, residual, alpha, bias, keep, direction'),
    })
  })

  it('refuses an output that the network does not have, and samples of a network without masks', async () => {
    await expect(bundle.run(goldenInput(golden, 0), request(['queryLoading']))).rejects.toMatchObject({ code: 'output-missing', facts: { output: 'queryLoading' } })
    await expect(bundle.run(goldenInput(golden, 0), request([], { samples: 2 }))).rejects.toMatchObject({ code: 'parameter-invalid' })
  })

  it('has no tail for outputs that lack what it starts from', async () => {
    expect(bundle.tailFor(await bundle.run(goldenInput(golden, 0), request(['scores', 'values'])))).toBeNull()
  })

  it('refuses a folder whose graph is a link', async () => {
    const other = await mkdtemp(join(tmpdir(), 'attending-bundle-'))
    await writeFile(join(other, 'manifest.json'), goldenBundle(golden).manifestBytes)
    await symlink(join(folder, 'model.onnx'), join(other, 'model.onnx'))
    await expect(loadBundle(other)).rejects.toMatchObject({ code: 'bundle-refused', facts: { reason: 'file-not-plain' } })
    await rm(other, { recursive: true })
  })

  it('refuses a folder without a graph and says which file is missing', async () => {
    const other = await mkdtemp(join(tmpdir(), 'attending-bundle-'))
    await writeFile(join(other, 'manifest.json'), goldenBundle(golden).manifestBytes)
    await expect(loadBundle(other)).rejects.toMatchObject({ code: 'bundle-refused', facts: { reason: 'file-missing' }, message: expect.stringContaining('model.onnx') })
    await rm(other, { recursive: true })
  })
})

describe('a manifest that does not fit its graph', () => {
  const golden = loadGolden('dcmm')
  const files = goldenBundle(golden)
  const changed = (change: (manifest: Manifest) => Partial<Manifest>): BundleFiles => withManifest(files, { ...files.manifest, ...change(files.manifest) })
  const cases: [string, (manifest: Manifest) => Partial<Manifest>, object][] = [
    [
      'names an output that the graph lacks',
      ({ outputs }) => ({ outputs: { ...outputs, embedding: { name: 'nothing', axes: ['batch', 'width'] } } }),
      { code: 'output-missing', facts: { output: 'embedding' } },
    ],
    ['says another number of heads', () => ({ heads: 4 }), { code: 'shape-mismatch' }],
    ['says another number of classes', ({ classes }) => ({ classes: classes.slice(1) }), { code: 'shape-mismatch' }],
    ['says another patch grid', () => ({ patchGrid: { height: 3, width: 4 } }), { code: 'shape-mismatch' }],
    ['says another number of communities', ({ structure }) => ({ structure: { ...structure!, communities: 6 } }), { code: 'shape-mismatch' }],
    ['leaves out an axis', ({ outputs }) => ({ outputs: { ...outputs, degree: { ...outputs.degree!, axes: ['batch', 'layer', 'head'] } } }), { code: 'shape-mismatch' }],
    [
      'names an axis without meaning',
      ({ outputs }) => ({ outputs: { ...outputs, degree: { ...outputs.degree!, axes: ['batch', 'layer', 'head', 'patch'] } } }),
      { facts: { reason: 'output-mismatch' } },
    ],
    ['has no logits', ({ outputs }) => ({ outputs: { tokens: outputs.tokens! } }), { facts: { reason: 'output-mismatch' } }],
    ['does not name an input of the graph', () => ({ structure: null, outputs: { logits: files.manifest.outputs.logits! } }), { facts: { reason: 'input-mismatch' } }],
    ['names an input that the graph lacks', ({ structure }) => ({ structure: { ...structure!, seedInput: 'seed' } }), { facts: { reason: 'input-mismatch' } }],
    [
      'names more layers than the network has',
      ({ outputs }) => ({ outputs: { ...outputs, bias: { ...outputs.bias!, name: ['bias.1', 'bias.1'] } } }),
      { facts: { reason: 'output-mismatch' } },
    ],
    ['has another hash', ({ graph }) => ({ graph: { ...graph, sha256: '0'.repeat(64) } }), { facts: { reason: 'hash-mismatch' } }],
    ["has another hash for the tail's graph", ({ tail }) => ({ tail: { ...tail!, sha256: '0'.repeat(64) } }), { facts: { reason: 'hash-mismatch' } }],
  ]
  it.each(cases)('is refused where it %s', async (_, change, problem) => {
    await expect(openBundle(changed(change))).rejects.toMatchObject(problem)
  })

  it('is refused where an output is not float32', async () => {
    const nodes = new NodeList('')
    nodes.op('Cast', [nodes.op('ReduceSum', ['pixels', nodes.ints(1, 2)], { keepdims: { kind: 'int', value: 0 } })], { to: { kind: 'int', value: 7 } }, 'logits')
    const graph = encodeModel({
      ir: 9,
      operatorSets: [{ domain: '', version: 20 }],
      producer: 'test',
      functions: [],
      metadata: {},
      graph: {
        name: 'integers',
        nodes: nodes.nodes,
        initializers: [],
        inputs: [{ name: 'pixels', type: 'float', axes: ['batch', 1, 16, 16] }],
        outputs: [{ name: 'logits', type: 'int64', axes: ['batch', 16] }],
      },
    })
    const manifest = {
      ...files.manifest,
      structure: null,
      tail: null,
      outputs: { logits: files.manifest.outputs.logits! },
      graph: { ...files.manifest.graph, sha256: sha256(graph) },
    }
    await expect(openBundle(withManifest({ ...files, graph, tail: null }, manifest))).rejects.toMatchObject({ code: 'output-missing', message: expect.stringContaining('int64') })
  })
})

describe('a bundle of the SBM golden network', () => {
  const golden = loadGolden('sbm-expected')
  let bundle: Bundle

  beforeAll(async () => {
    bundle = await openBundle(goldenBundle(golden))
  })
  afterAll(() => bundle.release())

  it('draws the masks of a seed, and a longer series begins with the shorter one', async () => {
    const run = (samples: number, seed: number) => bundle.run(goldenInput(golden, 0), request(['attention'], { samples, seed }))
    const [few, many, other] = [await run(3, 7), await run(11, 7), await run(3, 8)]
    expect(few.samples).toHaveLength(3)
    expect(many.samples!.slice(0, 3)).toEqual(few.samples)
    expect(other.samples![0]).not.toEqual(few.samples![0])
    expect(few.asTrained).toEqual(other.asTrained) // the mean-field answer does not depend on the seed
  })

  it('keeps a drawn mask apart from the mean-field answer', async () => {
    const { asTrained, samples } = await bundle.run(goldenInput(golden, 0), request(['attention'], { samples: 200, seed: 1 }))
    const dropped = samples![0]!.attention!.data.filter((weight) => weight === 0).length
    expect(dropped).toBeGreaterThan(0)
    expect(asTrained.attention!.data.every((weight) => weight > 0)).toBe(true)
    const mean = meanOverFirstAxis(tensorOf(Float32Array.from(samples!.flatMap(({ logits }) => [...logits!.data])), [200, 3]))
    const spread = Math.max(...samples!.map(({ logits }) => Math.abs(logits!.data[0]! - mean.data[0]!)))
    expect(spread).toBeGreaterThan(1e-3)
  })

  it('answers by the seed alone where the mask is drawn by default', async () => {
    const sampling = await openBundle(goldenBundle(golden, { mode: 'sample' }))
    const run = async (seed: number) => (await sampling.run(goldenInput(golden, 0), request(['mask'], { seed }))).asTrained
    const [first, again, other] = [await run(5), await run(5), await run(6)]
    const pixels = stackOf([goldenInput(golden, 0).pixels, goldenInput(golden, 0).pixels])
    const [both, otherBoth] = [await sampling.forward(pixels, 5), await sampling.forward(pixels, 6)]
    await sampling.release()
    // Every image of a call has the same mask.
    expect(at(both, 1)).toEqual(at(both, 0))
    expect([...at(both, 0).data]).toEqual([...first.logits!.data].map((value) => expect.closeTo(value, 5)))
    expect(otherBoth).not.toEqual(both)
    expect(again).toEqual(first)
    expect(other.mask).not.toEqual(first.mask)
    expect([...new Set(first.mask!.data)].sort()).toEqual([0, 1])
  })
})

describe('the order in which a loader tries the forms of a graph', () => {
  const golden = loadGolden('dcmm')
  /** A runtime as it was before ONNX knew functions. */
  const withoutFunctions = {
    name: 'a runtime without functions',
    open: (graph: Uint8Array) => (Buffer.from(graph).includes('org.attending.community') ? Promise.reject(new Error('not a registered function/op')) : nodeRuntime.open(graph)),
  }

  it('writes the functions out for a runtime that knows none, says so, and answers with the same bits', async () => {
    const plain = await openBundle(goldenBundle(golden))
    const fallback = await openBundle(goldenBundle(golden), { runtime: withoutFunctions })
    expect(fallback.runtime).toBe('a runtime without functions, functions written out')
    expect(plain.runtime).toMatch(/^onnxruntime-node \d+\.\d+\.\d+ cpu$/)
    const all = request(['attention', 'membership', 'bias'], { withoutStructure: true })
    expect(await fallback.run(goldenInput(golden, 0), all)).toEqual(await plain.run(goldenInput(golden, 0), all))
    await plain.release()
    await fallback.release()
  })

  it('leaves no session open where a bundle is refused', async () => {
    let open = 0
    const counting = {
      name: 'a runtime that counts',
      async open(graph: Uint8Array) {
        const session = await nodeRuntime.open(graph)
        open += 1
        return {
          ...session,
          release: () => {
            open -= 1
            return session.release()
          },
        }
      },
    }
    const files = goldenBundle(golden)
    await expect(openBundle(withManifest(files, { ...files.manifest, heads: 4 }), { runtime: counting })).rejects.toMatchObject({ code: 'shape-mismatch' })
    expect(open).toBe(0)
    const bundle = await openBundle(files, { runtime: counting })
    expect(open).toBe(3) // the graph, its tail, and the tail without its gradient
    await bundle.release()
    await bundle.release() // twice is once
    expect(open).toBe(0)
  })

  it('refuses a graph that opens but does not run', async () => {
    const failing = { name: 'a runtime that fails', open: async (graph: Uint8Array) => ({ ...(await nodeRuntime.open(graph)), run: () => Promise.reject(new Error('no memory')) }) }
    await expect(openBundle(goldenBundle(golden), { runtime: failing })).rejects.toMatchObject({ code: 'bundle-refused', facts: { reason: 'runtime' } })
  })

  it('refuses a graph that the runtime takes in neither form', async () => {
    const refusing = { name: 'a runtime that takes nothing', open: () => Promise.reject(new Error('no')) }
    await expect(openBundle(goldenBundle(golden), { runtime: refusing })).rejects.toMatchObject({ code: 'bundle-refused', facts: { reason: 'runtime' } })
    await expect(openBundle(goldenBundle(loadGolden('vit')), { runtime: refusing })).rejects.toMatchObject({ facts: { reason: 'runtime' } })
  })
})
