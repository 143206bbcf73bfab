/** The road's explanation, float32 through ONNX Runtime, against the golden explain tensors. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Explanation, ExplanationMap } from '../../src/domain/explanation.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import { explain, outputsNeeded } from '../../src/explain/explain.ts'
import { needsRunWithoutStructure } from '../../src/explain/structure-layers.ts'
import { type Bundle, openBundle } from '../../src/infer/load-bundle.ts'
import { at, type Tensor, tensorOf } from '../../src/tensor/tensor.ts'
import { excess, GOLDEN_TOLERANCE, loadGolden } from '../models/support/golden.ts'
import { goldenBundle, goldenInput } from '../support/golden-bundle.ts'

const CLASSES = ['a', 'b', 'c'] as const

/** [head, token] without the class token, as [head, 4, 4]. */
const toPatches = (rows: Tensor): Tensor => tensorOf(Float32Array.from(Array.from({ length: 3 }, (_, head) => [...at(rows, head).data.subarray(1)]).flat()), [3, 4, 4])

describe.each(['dcmm', 'dcmm-all', 'sbm-expected'] as const)('the explanation of a bundle: %s', (name) => {
  const golden = loadGolden(name)
  let bundle: Bundle

  beforeAll(async () => {
    bundle = await openBundle(goldenBundle(golden))
  })
  afterAll(() => bundle.release())

  const explainImage = async (image: number, explainedClass: string, maps: readonly string[]): Promise<Explanation> => {
    const request = { outputs: [...outputsNeeded(bundle.manifest, maps), 'attention' as const], withoutStructure: true, seed: 0, samples: 0 }
    const outputs = await bundle.run(goldenInput(golden, image), request)
    return explain(bundle.manifest, outputs, bundle.tailFor(outputs), { frame: 1, maps, explainedClass, seed: 0, samples: 0 })
  }
  const mapNamed = ({ maps }: Explanation, map: string): ExplanationMap => maps.find((candidate) => candidate.name === map)!

  it('meets the golden structure attribution and evidence of every class', async () => {
    for (const image of [0, 1]) {
      for (const [classIndex, explainedClass] of CLASSES.entries()) {
        const explanation = await explainImage(image, explainedClass, ['structure-attribution', 'evidence-signed'])
        const attribution = at(at(golden.expected.get('explain.structureAttribution')!, image), classIndex)
        expect(excess(mapNamed(explanation, 'structure-attribution').heads!, toPatches(attribution), GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
        const gradient = at(at(golden.expected.get('explain.gradAttention')!, image), classIndex)
        const attention = at(golden.expected.get('layer1.attention')!, image)
        const evidence = Float32Array.from(gradient.data, (value, i) => value * attention.data[Math.floor(i / 17) * 289 + (i % 17)]!)
        expect(excess(mapNamed(explanation, 'evidence-signed').heads!, toPatches(tensorOf(evidence, [3, 17])), GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
      }
    }
  })

  it('meets the golden logits without the structure, and its attribution sums to what the last layer changed', async () => {
    const explanation = await explainImage(0, 'a', ['structure-attribution'])
    explanation.counterfactual!.classes.forEach(({ logit }, i) => {
      expect(Math.abs(logit - golden.expected.get('explain.logitsWithoutStructure')!.data[i]!)).toBeLessThan(GOLDEN_TOLERANCE.absolute + 1e-4 * Math.abs(logit))
    })
    const { numbers, notes } = mapNamed(explanation, 'structure-attribution')
    const change = golden.expected.get('logits')!.data[0]! - golden.expected.get('explain.logitsWithoutStructureInLastLayer')!.data[0]!
    expect(Math.abs(numbers['sum']! - change)).toBeLessThan(3e-5)
    expect(notes.join()).not.toContain('not converged')
  })

  it("reads the class token's rows alone, and makes the same maps of them as of whole matrices, to the bit", async () => {
    const maps = ['attention', 'delta', 'attention-without-structure', 'evidence', 'structure-attribution', 'knockout', ...(name === 'sbm-expected' ? [] : ['hub', 'degree'])]
    const needed = outputsNeeded(bundle.manifest, maps)
    expect(needed).toContain('classTokenScores')
    const whole = name === 'dcmm-all' ? ['bias'] : name === 'dcmm' ? [] : ['mask'] // every row of an earlier layer acts
    expect(needed.filter((output) => ['attention', 'scores', 'bias', 'mask'].includes(output))).toEqual(whole)

    const { classTokenAttention, classTokenScores, classTokenBias, classTokenMask, ...matrices } = bundle.manifest.outputs
    expect([classTokenAttention, classTokenScores, classTokenBias ?? classTokenMask]).not.toContain(undefined)
    const manifest = { ...bundle.manifest, outputs: matrices }
    const options = { frame: 1, maps, explainedClass: 'a', seed: 0, samples: 0 }
    const explained = async (of: Manifest): Promise<Explanation> => {
      const outputs = await bundle.run(goldenInput(golden, 0), { outputs: outputsNeeded(of, maps), withoutStructure: needsRunWithoutStructure(of), seed: 0, samples: 0 })
      return explain(of, outputs, bundle.tailFor(outputs), options)
    }
    expect(await explained(bundle.manifest)).toEqual(await explained(manifest))
  })

  it('needs no second run where the last layer alone carries the structure: counterfactual and delta are the same from the tail', async () => {
    const maps = ['attention', 'delta', 'attention-without-structure']
    expect(needsRunWithoutStructure(bundle.manifest)).toBe(name !== 'dcmm')
    if (needsRunWithoutStructure(bundle.manifest)) {
      expect(outputsNeeded(bundle.manifest, maps)).not.toContain('values')
      return
    }
    const outputs = await bundle.run(goldenInput(golden, 1), { outputs: outputsNeeded(bundle.manifest, maps), withoutStructure: false, seed: 0, samples: 0 })
    const fromTail = await explain(bundle.manifest, outputs, bundle.tailFor(outputs), { frame: 1, maps, explainedClass: null, seed: 0, samples: 0 })
    const fromRun = await explainImage(1, fromTail.explainedClass, maps)
    expect(outputs.asTrained.attention).toBeUndefined()
    expect(fromTail.counterfactual?.scope).toBe('network')
    const attention = at(golden.expected.get('layer1.attention')!, 1)
    const rows = tensorOf(Float32Array.from([0, 1, 2].flatMap((head) => [...attention.data.subarray(head * 289, head * 289 + 17)])), [3, 17])
    expect(excess(mapNamed(fromTail, 'attention').heads!, toPatches(rows), GOLDEN_TOLERANCE)).toBeLessThanOrEqual(1)
    fromRun.counterfactual!.classes.forEach(({ logit }, i) => {
      expect(Math.abs(fromTail.counterfactual!.classes[i]!.logit - logit)).toBeLessThan(1e-5)
    })
    for (const map of maps) expect(excess(mapNamed(fromTail, map).heads!, mapNamed(fromRun, map).heads!, { absolute: 1e-6, relative: 1e-5 })).toBeLessThanOrEqual(1)
  })

  it('gives the same logits whatever maps are asked for', async () => {
    const [few, many] = [await explainImage(0, 'a', ['attention']), await explainImage(0, 'a', ['communities', 'evidence', 'rollout', 'knockout', 'shapley'])]
    expect(many.classes).toEqual(few.classes)
    expect(many.counterfactual).toEqual(few.counterfactual)
  })
})
