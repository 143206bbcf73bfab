/** A prediction that was made, and whose image it was, in; its DICOM objects out. Runs in an engine. */
import { deserialize, serialize } from 'node:v8'
import type { DicomResults, ResultEnvironment, RgbImage } from './domain/dicom-result.ts'
import type { Prediction, ResultsRequest } from './domain/prediction.ts'
import type { SourceReference } from './domain/source-reference.ts'
import { decodeImage } from './imaging/decode-image.ts'
import { toDisplayImage } from './imaging/to-display-image.ts'
import { draw } from './pipeline.ts'
import { buildResults } from './results/build-results.ts'

const PANEL_ALPHA = 0.4

/** The source's identity as bytes that are kept and handed back; nobody between looks into them. */
export function sealOrigin(source: SourceReference | null): Uint8Array | null {
  return source === null ? null : serialize(source)
}

/** The objects of the asked kind, and those of it that can't be made. Equal requests give equal bytes. Throws as `buildResults` does. */
export async function makeResults({ resultKind, prediction, origin, requestId, environment }: ResultsRequest): Promise<DicomResults> {
  const { objects, omitted } = await makeAllResults(prediction, deserialize(origin) as SourceReference, requestId, environment)
  return { objects: objects.filter(({ kind }) => kind === resultKind), omitted: omitted.filter(({ kind }) => kind === resultKind) }
}

/**
 * Every object that can be made of the prediction, its panel drawn.
 *
 * requestId  names the prediction in the panel's caption
 *
 * Throws as `buildResults` does.
 */
export async function makeAllResults(prediction: Prediction, source: SourceReference, requestId: string, environment: ResultEnvironment): Promise<DicomResults> {
  return buildResults(prediction, source, await drawPanel(prediction, requestId, environment), environment)
}

/** The panel's pixels, by way of the picture that the API shows: the two can't differ. null where the answer has no map. */
async function drawPanel(prediction: Prediction, requestId: string, { createdAt }: ResultEnvironment): Promise<RgbImage | null> {
  const { explanation, display, input, model, provenance } = prediction
  const [map] = explanation.maps
  const predictedClass = explanation.classes.find(({ name }) => name === explanation.predictedClass)
  if (map === undefined || predictedClass === undefined) return null
  const { bytes } = await draw({
    kind: 'render',
    display,
    placement: input.placement,
    map,
    maps: explanation.maps,
    caption: { requestId, createdAt, modelId: model.id, modelVersion: model.version, graphSha256: model.graphSha256, inputSha256: provenance.inputSha256, predictedClass },
    options: { format: 'png', style: 'panel', alpha: PANEL_ALPHA, head: null, colormap: null, size: 'source' },
  })
  const { rows, columns, channels, pixels } = toDisplayImage((await decodeImage(bytes, { frame: 1 })).image)
  return { rows, columns, pixels: channels === 3 ? pixels : repeatChannels(pixels) }
}

function repeatChannels(gray: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: gray.length * 3 }, (_, index) => gray[Math.floor(index / 3)] ?? 0)
}
