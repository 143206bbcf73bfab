import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Explanation } from '../../src/domain/explanation.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import type { ModelOutputs, RunTail } from '../../src/domain/outputs.ts'
import { gradientTimesAttention } from '../../src/explain/evidence.ts'
import { explain, outputsNeeded } from '../../src/explain/explain.ts'
import { logitDrops } from '../../src/explain/knock-out.ts'
import { shapleyValues } from '../../src/explain/shapley.ts'
import { attributeStructure, type StructureAttribution } from '../../src/explain/structure-attribution.ts'
import { AS_TRAINED, createTailStudy, type TailStudy } from '../../src/explain/tail-study.ts'
import { at, tensorOf } from '../../src/tensor/tensor.ts'
import { type GoldenName, goldenManifest, goldenOutputs, manifestOf, readGolden, tensorNamed } from './golden-case.ts'
import { goldenTail, goldenTailBlock } from './golden-tail.ts'
import { goldenBlock, type LastBlock, referenceTail, runLastBlock } from './reference-tail.ts'

const tail = { file: 'tail.onnx' as const, sha256: '0'.repeat(64) }
const studyOfGolden = (name: GoldenName, image: number): TailStudy =>
  createTailStudy(goldenManifest(name, { tail }), goldenOutputs(name, image), referenceTail(goldenBlock(name, image)))

/** [batch, class, head, token] of one image and class as [head][token]. */
const expectedRows = (name: GoldenName, tensor: string, image: number, classIndex: number): number[][] => {
  const { data } = tensorNamed(readGolden(name), tensor)
  return [0, 1, 2].map((head) => Array.from(data.subarray(((image * 3 + classIndex) * 3 + head) * 17, ((image * 3 + classIndex) * 3 + head + 1) * 17)))
}
const expectRowsClose = (actual: readonly ArrayLike<number>[], expected: readonly ArrayLike<number>[], absolute: number): void => {
  expect(actual.length).toBe(expected.length)
  expected.forEach((row, i) => {
    for (let j = 0; j < row.length; j++) expect(Math.abs(actual[i]![j]! - row[j]!)).toBeLessThan(absolute + 1e-4 * Math.abs(row[j]!))
  })
}

/** A study over any block, with outputs and manifest made to fit it. */
const studyOfBlock = (block: LastBlock): TailStudy => {
  const { manifest, outputs } = caseOfBlock(block)
  return createTailStudy(manifest, outputs, referenceTail(block))
}

const caseOfBlock = (block: LastBlock): { readonly manifest: Manifest; readonly outputs: ModelOutputs } => {
  const heads = block.scores.length
  const tokens = block.scores[0]!.length
  const matrix = (rows: readonly (readonly number[])[]): Float32Array => {
    const data = new Float32Array(heads * tokens * tokens)
    rows.forEach((row, head) => {
      data.set(row, head * tokens * tokens)
    })
    return data
  }
  const manifest = manifestOf({
    outputNames: ['logits', 'scores', 'bias'],
    network: 'dcmm-vit',
    tail,
    depth: 1,
    heads,
    patchGrid: { height: 1, width: tokens - 1 },
    structure: { layers: [0], communities: 3, options: {}, structureInput: 'structure', seedInput: null, maskMode: null },
  })
  const outputs = {
    asTrained: {
      logits: tensorOf(new Float32Array(block.head.bias.length), [block.head.bias.length]),
      scores: tensorOf(matrix(block.scores), [heads, tokens, tokens]),
      bias: tensorOf(matrix(block.bias), [1, heads, tokens, tokens]),
    },
    withoutStructure: null,
  }
  return { manifest, outputs }
}

describe('the reference tail', () => {
  it('meets the logits of the golden networks, with and without the structure', () => {
    for (const name of ['vit', 'dcmm', 'dcmm-all', 'sbm-expected'] as const) {
      for (const image of [0, 1]) {
        const block = goldenBlock(name, image)
        const ones = block.scores.map((row) => row.map(() => 1))
        const golden = readGolden(name)
        runLastBlock(block, 1, block.bias, ones).logits.forEach((logit, i) => {
          expect(Math.abs(logit - tensorNamed(golden, 'logits').data[3 * image + i]!)).toBeLessThan(1e-6)
        })
        if (name === 'vit') continue
        runLastBlock(block, 0, block.bias, ones).logits.forEach((logit, i) => {
          expect(Math.abs(logit - tensorNamed(golden, 'explain.logitsWithoutStructureInLastLayer').data[3 * image + i]!)).toBeLessThan(1e-6)
        })
      }
    }
  })
})

describe('evidence', () => {
  it.each(['dcmm', 'dcmm-all', 'sbm-expected'] as const)('is the golden gradient times the golden attention: %s', async (name) => {
    for (const image of [0, 1]) {
      const study = studyOfGolden(name, image)
      const attention = tensorNamed(readGolden(name), 'layer1.attention').data
      for (const classIndex of [0, 1, 2]) {
        const gradient = expectedRows(name, 'explain.gradAttention', image, classIndex)
        const expected = gradient.map((row, head) => row.map((value, token) => value * attention[(image * 3 + head) * 289 + token]!))
        expectRowsClose(await gradientTimesAttention(study, classIndex), expected, 2e-5)
      }
    }
  })

  it('meets the gradient that finite differences confirmed', async () => {
    const study = studyOfBlock(goldenTailBlock())
    for (const [classIndex, rows] of goldenTail['G[class][head][token]'].entries()) {
      const { gradient } = await study.unchanged(classIndex)
      expect(gradient.shape).toEqual([1, rows.length, rows[0]!.length])
      rows.flat().forEach((value, i) => {
        expect(Math.abs(gradient.data[i]! - value)).toBeLessThan(1e-6)
      })
    }
  })
})

/** The attributions by Simpson's rule with 400 steps, [head][token]. */
const integralOf = async (study: TailStudy, classIndex: number): Promise<number[][]> => {
  const steps = 400
  const { gradient } = await study.ask(
    Array.from({ length: steps + 1 }, (_, step) => ({ alpha: step / steps, hidden: [] })),
    classIndex,
  )
  const integrand = (step: number): number[][] =>
    study.scores.map((scores, head) => {
      const weights = Array.from(scores, (score, token) => Math.exp(score + (step / steps) * study.bias[head]![token]!))
      const sum = weights.reduce((total, weight) => total + weight, 0)
      const slopes = Array.from(at(at(gradient, step), head).data)
      const mean = slopes.reduce((total, slope, token) => total + (weights[token]! / sum) * slope, 0)
      return slopes.map((slope, token) => (weights[token]! / sum) * (slope - mean) * study.bias[head]![token]!)
    })
  const values = Array.from({ length: steps + 1 }, (_, step) => integrand(step))
  const weightOf = (step: number): number => (step === 0 || step === steps ? 1 : step % 2 === 1 ? 4 : 2) / (3 * steps)
  return study.scores.map((_, head) => Array.from({ length: study.tokens }, (_, token) => values.reduce((sum, rows, step) => sum + weightOf(step) * rows[head]![token]!, 0)))
}

describe('a study of the tail', () => {
  it('answers all that is asked in one turn by one run, each question with its own rows', async () => {
    const block = goldenTailBlock()
    const sizes: number[] = []
    const counted: RunTail = (query) => {
      sizes.push(query.keep.shape[0]!)
      return referenceTail(block)(query)
    }
    const { manifest, outputs } = caseOfBlock(block)
    const study = createTailStudy(manifest, outputs, counted)
    const changes = [
      { alpha: 0.25, hidden: [] },
      { alpha: 1, hidden: [2] },
      { alpha: 0.5, hidden: [1, 3] },
    ]
    const [first, rest] = await Promise.all([study.ask(changes.slice(0, 1), 1), study.ask(changes.slice(1), 1)])
    expect(sizes).toEqual([3])
    const alone = await study.ask(changes, 1)
    expect([...first.logits.data, ...rest.logits.data]).toEqual([...alone.logits.data])
    expect([...first.gradient.data, ...rest.gradient.data]).toEqual([...alone.gradient.data])
    expect(rest.gradient.shape).toEqual([2, ...alone.gradient.shape.slice(1)])
  })

  it('asks for logits and for gradients of several classes in that run too, a change that all share once', async () => {
    const block = goldenTailBlock()
    const shapes: (readonly number[] | null)[] = []
    const watched: RunTail = (query) => {
      shapes.push(query.keep.shape.slice(0, 1), 'groups' in query ? null : (query.direction?.shape ?? null))
      return referenceTail(block)(query)
    }
    const { manifest, outputs } = caseOfBlock(block)
    const study = createTailStudy(manifest, outputs, watched)
    const half = { alpha: 0.5, hidden: [2] }
    const [logits, ends, first, second] = await Promise.all([study.askLogits([half, AS_TRAINED]), study.ends(), study.unchanged(0), study.ask([half, AS_TRAINED], 2)])
    expect(shapes).toEqual([[4], [3, 3]]) // as trained, half, as trained of another class; without the structure
    const alone = createTailStudy(manifest, outputs, referenceTail(block))
    expect(logits).toEqual(await alone.askLogits([half, AS_TRAINED]))
    expect(ends).toEqual(await alone.ends())
    expect(first).toEqual(await alone.unchanged(0))
    expect(second).toEqual(await alone.ask([half, AS_TRAINED], 2))
    expect([...first.gradient.data]).not.toEqual([...at(second.gradient, 1).data])
  })

  it('hands a failed run to everyone who asked', async () => {
    const { manifest, outputs } = caseOfBlock(goldenTailBlock())
    const study = createTailStudy(manifest, outputs, () => Promise.reject(new Error('lost')))
    const answers = await Promise.allSettled([study.askLogits([AS_TRAINED]), study.askLogits([AS_TRAINED])])
    expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })
})

describe('structure attribution', () => {
  it.each(['dcmm', 'dcmm-all', 'sbm-expected'] as const)('meets the golden integral: %s', async (name) => {
    for (const image of [0, 1]) {
      const study = studyOfGolden(name, image)
      for (const classIndex of [0, 1, 2]) {
        const found = await attributeStructure(study, classIndex)
        expectRowsClose(found.rows, expectedRows(name, 'explain.structureAttribution', image, classIndex), 2e-5)
        expect(found.isConverged).toBe(true)
      }
    }
  })

  it('meets the integral of golden_tail.json', async () => {
    const study = studyOfBlock(goldenTailBlock())
    for (const classIndex of [0, 1, 2]) {
      const { rows, deltaLogit } = await attributeStructure(study, classIndex)
      expectRowsClose(rows, goldenTail['structure_attribution[class][head][token]'][classIndex]!, 1e-6)
      expect(Math.abs(deltaLogit - (goldenTail.logits[classIndex]! - goldenTail.logits_lambda0[classIndex]!))).toBeLessThan(1e-6)
    }
  })

  it('doubles its nodes until the sum meets the change of the logit: 4 of them for a bias of 2, 16 for one of 10, more for one of 300', async () => {
    const block = goldenBlock('dcmm', 0)
    const largest = Math.max(...block.bias.flat().map(Math.abs))
    const withBiasOf = (size: number): Promise<StructureAttribution> =>
      attributeStructure(studyOfBlock({ ...block, bias: block.bias.map((row) => row.map((value) => (value * size) / largest)) }), 0)
    const large = await withBiasOf(300)
    expect((await withBiasOf(2)).nodes).toBe(4)
    expect((await withBiasOf(10)).nodes).toBe(16)
    expect(large.nodes).toBeGreaterThan(16)
    expect(large.isConverged).toBe(true)
    expect(large.residual).toBeLessThan(1e-3 * Math.abs(large.deltaLogit))
  })

  it.each([2.5, 6, 13])('is right in every part, not in the sum alone, with the few nodes that a contrast of %f starts with', async (contrast) => {
    for (const [name, image] of [
      ['dcmm', 0],
      ['dcmm', 1],
      ['dcmm-all', 1],
    ] as const) {
      const block = goldenBlock(name, image)
      const largest = Math.max(...block.bias.map((row) => Math.max(...row) - Math.min(...row)))
      const study = studyOfBlock({ ...block, bias: block.bias.map((row) => row.map((value) => (value * contrast) / largest)) })
      const { rows } = await attributeStructure(study, 0)
      const expected = await integralOf(study, 0)
      const scale = Math.max(...expected.flat().map(Math.abs))
      expected.forEach((row, head) => {
        row.forEach((value, token) => {
          expect(Math.abs(rows[head]![token]! - value)).toBeLessThan(4e-6 * scale)
        })
      })
    }
  })

  it('says that it has not converged when 128 nodes are too few', async () => {
    const block = goldenBlock('dcmm', 0)
    const largest = Math.max(...block.bias.flat().map(Math.abs))
    const found = await attributeStructure(studyOfBlock({ ...block, bias: block.bias.map((row) => row.map((value) => (value * 200_000) / largest)) }), 0)
    expect(found).toMatchObject({ nodes: 128, isConverged: false })
  })
})

describe('knock-out', () => {
  it('meets the logit drops of golden_tail.json', async () => {
    const study = studyOfBlock(goldenTailBlock())
    for (const classIndex of [0, 1, 2]) {
      const drops = await logitDrops(study, [[1], [2], [3], [4]], classIndex)
      goldenTail['knockout_logit_drop[token 1..4][class]'].forEach((row, token) => {
        expect(Math.abs(drops[token]! - row[classIndex]!)).toBeLessThan(1e-6)
      })
    }
  })
})

describe('Shapley values', () => {
  const players = [0, 1, 2].map((player) => goldenTail.communities.flatMap((community, token) => (community === player ? [token] : [])))

  it('meet those of golden_tail.json', async () => {
    const study = studyOfBlock(goldenTailBlock())
    for (const classIndex of [0, 1, 2]) {
      const values = await shapleyValues(study, players, classIndex)
      goldenTail['shapley[community][class]'].forEach((row, player) => {
        expect(Math.abs(values[player]! - row[classIndex]!)).toBeLessThan(1e-6)
      })
      const sum = values.reduce((total, value) => total + value, 0)
      expect(Math.abs(sum - (goldenTail.logits[classIndex]! - goldenTail.logits_cls_only[classIndex]!))).toBeLessThan(1e-6)
    }
  })

  it('follow their players: another order gives the same values in that order, and two halves of nothing get nothing', async () => {
    const study = studyOfBlock(goldenTailBlock())
    const straight = await shapleyValues(study, players, 0)
    await fc.assert(
      fc.asyncProperty(fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), async (order) => {
        const turned = await shapleyValues(
          study,
          order.map((player) => players[player]!),
          0,
        )
        order.forEach((player, i) => {
          expect(turned[i]).toBeCloseTo(straight[player]!, 9)
        })
      }),
      { numRuns: 6 },
    )
    expect(await shapleyValues(study, [[], [1, 2, 3, 4]], 0)).toMatchObject({ 0: 0 })
  })
})

describe('an answer with a tail', () => {
  const answer = (name: GoldenName, maps: readonly string[] | null, explainedClass: string | null = null): Promise<Explanation> =>
    explain(goldenManifest(name, { tail }), goldenOutputs(name, 0), referenceTail(goldenBlock(name, 0)), { frame: 1, maps, explainedClass, seed: 0, samples: 0 })
  const allMaps = ['communities', 'attention', 'degree', 'delta', 'evidence', 'evidence-signed', 'structure-attribution', 'knockout', 'shapley', 'entropy', 'hub', 'rollout']

  it('gives the cheap maps unasked', async () => {
    expect((await answer('dcmm', null)).maps.map(({ name }) => name)).toEqual(['communities', 'attention', 'degree', 'delta', 'evidence', 'structure-attribution'])
  })

  it('asks for what the tail reads', () => {
    expect(outputsNeeded(goldenManifest('dcmm', { tail }), ['evidence'])).toEqual(expect.arrayContaining(['logits', 'scores', 'bias', 'values', 'residual']))
  })

  it('explains another class with other class-specific maps and the same class-agnostic ones', async () => {
    const [first, second] = [await answer('dcmm', allMaps, 'first'), await answer('dcmm', allMaps, 'second')]
    first.maps.forEach((map, i) => {
      const other = second.maps[i]!
      expect(other.name).toBe(map.name)
      if (map.classSpecific) expect([...other.grid.data]).not.toEqual([...map.grid.data])
      else expect([...other.grid.data]).toEqual([...map.grid.data])
      expect(map.explainedClass).toBe(map.classSpecific ? 'first' : null)
    })
    expect(first.maps.filter(({ classSpecific }) => classSpecific).map(({ name }) => name)).toEqual(['evidence', 'evidence-signed', 'structure-attribution', 'knockout', 'shapley'])
  })

  it('states what each community does to the logit, and Shapley values that sum to all of them against none', async () => {
    const { communities } = await answer('dcmm', ['communities', 'shapley'], 'first')
    const study = studyOfGolden('dcmm', 0)
    const [all] = await logitDrops(study, [Array.from({ length: 16 }, (_, patch) => patch + 1)], 0)
    expect(communities.reduce((sum, { shapley }) => sum + shapley!, 0)).toBeCloseTo(all!, 6)
    for (const { deltaLogit } of communities) expect(Number.isFinite(deltaLogit)).toBe(true)
  })

  it('compares attention, evidence and knock-out', async () => {
    const { agreement } = await answer('dcmm', ['attention', 'evidence', 'knockout'])
    expect(agreement?.pairs.map(({ maps }) => maps)).toEqual([
      ['attention', 'evidence'],
      ['attention', 'knockout'],
      ['evidence', 'knockout'],
    ])
    expect(agreement?.isLow).toBe(agreement?.pairs.some(({ rankCorrelation }) => rankCorrelation! < 0.2))
  })

  it('gives two different maps for two images, so that no gradient is frozen into it', async () => {
    const manifest = goldenManifest('dcmm', { tail })
    const options = { frame: 1, maps: ['evidence'], explainedClass: 'first', seed: 0, samples: 0 }
    const [a, b] = [0, 1].map((image) => explain(manifest, goldenOutputs('dcmm', image), referenceTail(goldenBlock('dcmm', image)), options))
    expect([...(await a!).maps[0]!.grid.data]).not.toEqual([...(await b!).maps[0]!.grid.data])
  })

  it('makes the counterfactual from the tail where no second run was made, and says which scope it has', async () => {
    for (const [name, scope] of [
      ['dcmm', 'network'],
      ['dcmm-all', 'last-block'],
    ] as const) {
      const outputs = { ...goldenOutputs(name, 0), withoutStructure: null }
      const { counterfactual } = await explain(goldenManifest(name, { tail }), outputs, referenceTail(goldenBlock(name, 0)), {
        frame: 1,
        maps: ['attention'],
        explainedClass: null,
        seed: 0,
        samples: 0,
      })
      expect(counterfactual?.scope).toBe(scope)
      counterfactual!.classes.forEach(({ logit }, i) => {
        expect(Math.abs(logit - tensorNamed(readGolden(name), 'explain.logitsWithoutStructureInLastLayer').data[i]!)).toBeLessThan(1e-5)
      })
    }
  })

  it('is the same when asked twice', async () => {
    expect(await answer('dcmm', allMaps)).toEqual(await answer('dcmm', allMaps))
  })
})
