import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bundle, openBundle } from '../src/infer/load-bundle.ts'
import { processInstance } from '../src/instance-road.ts'
import type { InstanceRequest, InstanceResult } from '../src/routing/instance.ts'
import { loadGolden } from './models/support/golden.ts'
import { goldenBundle } from './support/golden-bundle.ts'
import { environment } from './support/result-fixtures.ts'
import { buildGray16 } from './support/synthetic-dicom.ts'

const SIDE = 24
/** Report, secondary capture, segmentation and key object selection. */
const OBJECTS = 4

describe('the road of an instance of three frames', () => {
  let bundle: Bundle
  beforeAll(async () => {
    bundle = await openBundle(goldenBundle(loadGolden('dcmm')))
  })
  afterAll(() => bundle.release())

  const pixels = Array.from({ length: 3 * SIDE * SIDE }, (_, i) => (i * 37) % 4096)
  const run = (frames: 'first' | 'all' | 2, advanced?: () => void): Promise<InstanceResult> => {
    const request: InstanceRequest = {
      bytes: buildGray16(pixels, SIDE, { SOPClassUID: '1.2.840.10008.5.1.4.1.1.7.3', NumberOfFrames: '3', Rows: SIDE, Columns: SIDE }),
      arrival: { door: 'stow', peer: null },
      rules: { version: 1, rules: [{ name: 'all', when: {}, action: { model: 'any', frames, destinations: ['pacs'] } }] },
      modelId: null,
      destinations: null,
      requestId: 'a'.repeat(32),
      environment,
    }
    return processInstance(new Map([['any', bundle]]), request, 'attending 0.0.0', advanced)
  }
  const resultsOf = async (...args: Parameters<typeof run>): Promise<Extract<InstanceResult, { kind: 'results' }>> => {
    const result = await run(...args)
    return result.kind === 'results' ? result : expect.fail(result.reason)
  }

  it('predicts each frame where the rule says all, says when each is done, and makes objects of their own of each', async () => {
    let done = 0
    const { frames, objects } = await resultsOf('all', () => done++)
    expect(frames.map(({ frame }) => frame)).toEqual([1, 2, 3])
    expect(done).toBe(3)
    expect(new Set(objects.map(({ sopInstanceUid }) => sopInstanceUid)).size).toBe(3 * OBJECTS)
  })

  it('predicts the one frame that the rule names', async () => {
    const { frames, objects } = await resultsOf(2)
    expect(frames.map(({ frame }) => frame)).toEqual([2])
    expect(objects).toHaveLength(OBJECTS)
  })
})
