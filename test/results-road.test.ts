import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { renderMap } from '../src/render/render-map.ts'
import { drawPanelPixels, makeResults, sealOrigin } from '../src/results-road.ts'
import { environment, predictionOf, sliceSource } from './support/result-fixtures.ts'

const prediction = predictionOf({ rows: 23, columns: 38, modality: 'CT' })
const requestId = 'a'.repeat(32)

describe('the panel of the results', () => {
  it('has the very pixels of the picture that the API shows, as sharp decodes it', async () => {
    const { explanation, model, provenance, display, input } = prediction
    const { bytes } = await renderMap({
      kind: 'render',
      display,
      placement: input.placement,
      map: explanation.maps[0]!,
      maps: explanation.maps,
      caption: {
        requestId,
        createdAt: environment.createdAt,
        modelId: model.id,
        modelVersion: model.version,
        graphSha256: model.graphSha256,
        inputSha256: provenance.inputSha256,
        predictedClass: explanation.classes[0]!,
      },
      options: { format: 'png', style: 'panel', alpha: 0.4, head: null, colormap: null, size: 'source' },
    })
    const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true })
    const panel = drawPanelPixels(prediction, requestId, environment)
    expect([panel?.rows, panel?.columns, info.channels]).toEqual([info.height, info.width, 3])
    expect(Buffer.from(panel?.pixels ?? []).equals(data)).toBe(true)
  })

  it('is absent where the answer has no map', () => {
    expect(drawPanelPixels(predictionOf({ rows: 23, columns: 38, modality: 'CT', maps: [] }), requestId, environment)).toBeNull()
  })
})

describe('makeResults', () => {
  it('opens what was sealed, and gives the objects of the asked kind alone, the same bytes each time', () => {
    const origin = sealOrigin(sliceSource) ?? new Uint8Array(0)
    const make = (resultKind: 'pm' | 'sr'): ReturnType<typeof makeResults> => makeResults({ kind: 'results', resultKind, prediction, origin, requestId, environment })
    expect(make('pm').objects.map(({ kind, map }) => `${kind} ${map}`)).toEqual(['pm attention', 'pm delta'])
    expect(make('sr').objects.map(({ kind }) => kind)).toEqual(['sr'])
    expect(make('sr').objects[0]?.bytes).toEqual(make('sr').objects[0]?.bytes)
    expect(sealOrigin(null)).toBeNull()
  })
})
