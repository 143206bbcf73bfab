import { describe, expect, it } from 'vitest'
import { DCMM_RELEASED, SBM_RELEASED } from '../../../models/network-config.ts'
import { coreGolden, coreMask, dcmmValues, generated, greatestDifference, mean, referenceDcmmHeads, referenceSbmHeads, sbmValues, toDoubles } from './attention-case.ts'

/** The vectors are printed to 9 digits and float32 inputs are rounded: 1e-6 of a value near 1 is far above both and far below any slip in a formula. */
const CLOSE = 1e-6
const weighted = (out: readonly number[], weights: Float32Array): number => out.reduce((sum, value, i) => sum + value * weights[i]!, 0)

describe('the float64 reference of the attentions', () => {
  it('meets the golden DCMM core, which PyTorch computed', () => {
    const options = { ...DCMM_RELEASED, communities: 3 }
    const heads = referenceDcmmHeads(toDoubles(dcmmValues()), options)
    const [first] = heads
    const g = coreGolden.dcmm
    const entropy = mean(heads.flatMap((head) => head.entropy))
    const out = heads.flatMap((head) => head.out.flat())
    expect(
      greatestDifference(
        heads.flatMap((head) => head.degree),
        g['theta'] as number[],
      ),
    ).toBeLessThan(CLOSE)
    expect(greatestDifference(first!.membership.flat(), g['z_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(first!.bounded.flat(), g['M_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(first!.bias.flat(), g['bias_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(first!.attention.flat(), g['A_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(heads[1]!.attention.flat(), g['A_h1'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(out, g['O'] as number[])).toBeLessThan(CLOSE)
    expect(Math.abs(entropy - (g['entropy'] as number))).toBeLessThan(CLOSE)
    expect(Math.abs(weighted(out, generated([24], 6).data) + 0.1 * entropy - (g['loss'] as number))).toBeLessThan(CLOSE)
  })

  it('meets the golden SBM core, which PyTorch computed', () => {
    const options = { ...SBM_RELEASED, communities: 2, classTokenAlwaysOn: false }
    const values = toDoubles(sbmValues())
    const heads = referenceSbmHeads(values, options, coreMask)
    const [first] = heads
    const g = coreGolden.sbm
    const out = heads.flatMap((head) => head.out.flat())
    expect(
      greatestDifference(
        heads.flatMap((head) => head.affinity.flat()),
        g['S'] as number[],
      ),
    ).toBeLessThan(CLOSE)
    expect(greatestDifference(first!.queryLoading.flat(), g['Y_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(first!.keyLoading.flat(), g['Z_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(first!.probability.flat(), g['P_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(first!.attention.flat(), g['a_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(referenceSbmHeads(values, options, 'expected')[0]!.attention.flat(), g['a_exp_h0'] as number[])).toBeLessThan(CLOSE)
    expect(greatestDifference(out, g['O'] as number[])).toBeLessThan(CLOSE)
    expect(Math.abs(weighted(out, generated([24], 6, 8).data) - (g['loss'] as number))).toBeLessThan(1e-5)
  })
})
