import { describe, expect, it } from 'vitest'
import type { Explanation } from '../../src/domain/explanation.ts'
import type { InputTensor } from '../../src/domain/image.ts'
import type { Manifest } from '../../src/domain/manifest.ts'
import { isBlankNote, statedOnBlank } from '../../src/explain/blank-patches.ts'
import { buildMap } from '../../src/explain/build-map.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import { loadGolden } from '../models/support/golden.ts'
import { goldenBundle } from '../support/golden-bundle.ts'

const golden = goldenBundle(loadGolden('dcmm')).manifest
const DEVIATION = [0.25, 0.5, 1]

/** Four patches of 2 x 2 pixels, three channels. */
const manifest: Manifest = {
  ...golden,
  patchGrid: { height: 2, width: 2 },
  input: { ...golden.input, channels: 3, height: 4, width: 4, mean: [0.5, 0.5, 0.5], deviation: DEVIATION },
}

/** Each channel's 4 x 4 grays in [0, 1], normalized as the manifest says. */
function inputOf(...channels: readonly (readonly number[])[]): InputTensor {
  const pixels = channels.flatMap((grays, channel) => grays.map((gray) => (gray - 0.5) / (DEVIATION[channel] ?? 1)))
  const placement = { sourceRows: 4, sourceColumns: 4, top: 0, left: 0, height: 4, width: 4, quarterTurns: 0 as const, inputHeight: 4, inputWidth: 4 }
  return { pixels: tensorOf(Float32Array.from(pixels), [3, 4, 4]), placement }
}

/** Upper left even, upper right spans 0.04, lower left 0.06, lower right 1. */
// biome-ignore format: four rows of pixels
const GRAYS = [
  0.2, 0.2, 0.3, 0.34,
  0.2, 0.2, 0.32, 0.3,
  0.5, 0.56, 0, 1,
  0.5, 0.5, 0, 1,
]
const EVEN = new Array<number>(16).fill(0.7)

function explanationOf(name: string, values: readonly number[]): Explanation {
  const map = buildMap({
    name,
    title: name,
    kind: 'diverging',
    role: 'causal',
    grid: tensorOf(Float32Array.from(values), [2, 2]),
    unit: '',
    method: '',
    source: '',
    notes: ['before'],
  })
  return { classes: [], predictedClass: '', explainedClass: '', counterfactual: null, maps: [map], structure: null, communities: [], agreement: null, uncertainty: null }
}

const statedMap = (name: string, values: readonly number[], input = inputOf(GRAYS, EVEN, EVEN)) => {
  const [map] = statedOnBlank(explanationOf(name, values), manifest, input).maps
  return { numbers: map?.numbers, notes: map?.notes }
}

describe('what a map puts on patches that show nothing', () => {
  it('is the part of its absolute sum on patches that span at most a twentieth of the gray range', () => {
    expect(statedMap('attention', [0.25, 0.125, 0.125, 0.5])).toEqual({ numbers: { blankShare: 0.375, blankArea: 0.5 }, notes: ['before'] })
    expect(statedMap('evidence-signed', [-0.25, 0.125, 0.125, -0.5]).numbers).toEqual({ blankShare: 0.375, blankArea: 0.5 })
  })

  it('is noted on a map that lies mostly there, and more than evenly', () => {
    const { notes = [] } = statedMap('attention', [0.5, 0.25, 0, 0.25])
    expect(notes).toEqual(['before', expect.stringContaining('75 % of this map lies on the 50 % of the patches where the image shows nothing')])
    expect(notes.map(isBlankNote)).toEqual([false, true])
    const evenImage = inputOf(EVEN, EVEN, EVEN)
    expect(statedMap('attention', [0.5, 0.25, 0, 0.25], evenImage)).toEqual({ numbers: { blankShare: 1, blankArea: 1 }, notes: ['before'] })
  })

  it('counts a patch that shows something in any channel as not blank', () => {
    const second = [...EVEN]
    second[0] = 0.6
    expect(statedMap('attention', [0.5, 0.25, 0, 0.25], inputOf(GRAYS, EVEN, second)).numbers).toEqual({ blankShare: 0.25, blankArea: 0.25 })
  })

  it('is not said of maps that are not read as "where", nor of a map of zeros', () => {
    expect(statedMap('degree', [1, 1, 0, 0]).numbers).toEqual({})
    expect(statedMap('attention', [0, 0, 0, 0]).numbers).toEqual({})
  })
})
