/** A prediction that was made, and whose image it was, in; its DICOM objects out. Runs in an engine. */
import { deserialize, serialize } from 'node:v8'
import type { Deidentification } from './domain/deidentification.ts'
import type { DicomResults, ResultEnvironment, RgbImage } from './domain/dicom-result.ts'
import { captionOf, type Prediction, type ResultsRequest } from './domain/prediction.ts'
import { Problem } from './domain/problem.ts'
import type { SourceReference } from './domain/source-reference.ts'
import { drawPanel } from './render/draw-panel.ts'
import { buildResults } from './results/build-results.ts'
import { deidentifyEnvironment, deidentifyPrediction, deidentifySource, pixelsRefusal, pseudonym } from './results/deidentify.ts'

const PANEL_ALPHA = 0.4

/** The source's identity as bytes that are kept and handed back; nobody between looks into them. */
export function sealOrigin(source: SourceReference | null): Uint8Array | null {
  return source === null ? null : serialize(source)
}

/** The objects of the asked kind, and those of it that can't be made. Equal requests give equal bytes. Throws as `buildResults` does. */
export function makeResults({ resultKind, prediction, origin, requestId, environment }: ResultsRequest): DicomResults {
  const { objects, omitted } = makeAllResults(prediction, deserialize(origin) as SourceReference, requestId, environment)
  return { objects: objects.filter(({ kind }) => kind === resultKind), omitted: omitted.filter(({ kind }) => kind === resultKind) }
}

/**
 * Every object that can be made of the prediction, its panel drawn.
 *
 * requestId  names the prediction in the panel's caption
 *
 * Throws as `buildResults` does.
 */
export function makeAllResults(prediction: Prediction, source: SourceReference, requestId: string, environment: ResultEnvironment): DicomResults {
  return buildResults(prediction, source, drawPanelPixels(prediction, requestId, environment), environment)
}

/**
 * The same of nobody: identity, times, the installation and the file's digest replaced before any object is made, and no panel where the pixels may identify.
 *
 * Throws as `buildResults` does.
 */
export function makeDeidentifiedResults(prediction: Prediction, source: SourceReference, deidentification: Deidentification): DicomResults {
  const environment = deidentifyEnvironment()
  const shown = deidentifyPrediction(prediction, deidentification)
  const refusal = pixelsRefusal(source, deidentification)
  const panel = refusal === null ? drawPanelPixels(shown, pseudonym(deidentification, 'request', source.sopInstanceUid, String(source.frame)), environment) : null
  const results = buildResults(shown, deidentifySource(source, deidentification), panel, environment)
  return { ...results, omitted: results.omitted.map((omitted) => (omitted.kind === 'sc' && refusal !== null ? { ...omitted, reason: refusal } : omitted)) }
}

/** The pixels of the picture that the API shows as a panel. null where the answer has no map. */
export function drawPanelPixels(prediction: Prediction, requestId: string, { createdAt }: ResultEnvironment): RgbImage | null {
  const { explanation, display, input } = prediction
  const [map] = explanation.maps
  if (map === undefined) return null
  const { width, height, channels, pixels } = drawPanel({
    kind: 'render',
    display,
    placement: input.placement,
    map,
    maps: explanation.maps,
    caption: captionOf(prediction, requestId, createdAt),
    options: { format: 'png', style: 'panel', alpha: PANEL_ALPHA, head: null, colormap: null, size: 'source' },
  })
  if (channels !== 3) throw new Problem('result-invalid', 'the panel has no three channels', {})
  return { rows: height, columns: width, pixels }
}
