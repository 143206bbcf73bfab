/** A prediction with its source and panel in, every DICOM object that can be made of it out, and what can't be and why. */
import { CODES } from '../dicom/coded-concepts.ts'
import type { DicomResult, DicomResults, OmittedResult, ResultEnvironment, RgbImage } from '../domain/dicom-result.ts'
import type { ExplanationMap } from '../domain/explanation.ts'
import type { Prediction } from '../domain/prediction.ts'
import type { SourceReference } from '../domain/source-reference.ts'
import { buildComprehensiveSr } from './build-comprehensive-sr.ts'
import { buildKeyObject } from './build-key-object.ts'
import { buildParametricMap } from './build-parametric-map.ts'
import { buildSecondaryCapture } from './build-secondary-capture.ts'
import { buildSegmentation } from './build-segmentation.ts'
import { cellsOnSource, sourcePlane } from './patient-plane.ts'
import type { ReportedObject } from './report-context.ts'
import { type ResultContext, resultContext, seriesUid } from './result-context.ts'

/** An object, or why there is none. */
type Attempt = DicomResult | OmittedResult

/**
 * The objects in the order in which an archive should meet them: images first, then the report and the key object that point at them.
 *
 * panel  the explanation panel as RGB; null where none was drawn
 *
 * Equal arguments give equal bytes: no clock, no randomness.
 * Throws: "uid-invalid" where the source can't be referred to; "result-invalid" where an object would not conform.
 */
export function buildResults(prediction: Prediction, source: SourceReference, panel: RgbImage | null, environment: ResultEnvironment): DicomResults {
  const context = resultContext(prediction, source, environment)
  const attempts = [secondaryCapture(context, panel), segmentation(context), ...parametricMaps(context)]
  const images = attempts.filter((attempt) => 'bytes' in attempt)
  const omitted = attempts.filter((attempt): attempt is OmittedResult => 'reason' in attempt)
  const reported = images.map((image) => reportedObject(context, image))
  return { objects: [...images, buildComprehensiveSr(context, reported), buildKeyObject(context, reported)], omitted }
}

function secondaryCapture(context: ResultContext, panel: RgbImage | null): Attempt {
  return panel === null ? { kind: 'sc', map: null, reason: 'no panel was drawn' } : buildSecondaryCapture(context, panel)
}

/** The map that shows the communities of the image as a whole. */
function segmentation(context: ResultContext): Attempt {
  const map = context.prediction.explanation.maps.find(({ name }) => name === 'communities')
  if (map === undefined) return { kind: 'seg', map: null, reason: 'the answer has no map of communities' }
  if (map.communities.length === 0) return { kind: 'seg', map: map.name, reason: 'the map names no communities' }
  return buildSegmentation(context, map)
}

/** One for each map of continuous values. */
function parametricMaps(context: ResultContext): readonly Attempt[] {
  const maps = context.prediction.explanation.maps.filter(({ kind }) => kind !== 'categorical')
  if (maps.length === 0) return [{ kind: 'pm', map: null, reason: 'the answer has no map of continuous values' }]
  return maps.map((map) => parametricMap(context, map))
}

function parametricMap(context: ResultContext, map: ExplanationMap): Attempt {
  const plane = sourcePlane(context.source)
  if ('reason' in plane) return { kind: 'pm', map: map.name, reason: `${plane.reason}; the Secondary Capture shows the map` }
  const [height = 0, width = 0] = map.grid.shape
  if (cellsOnSource([height, width], context.prediction.input.placement).rows === 0) return { kind: 'pm', map: map.name, reason: 'no patch of the map lies on the source' }
  return buildParametricMap(context, map, plane)
}

/** How the reports point at an image: at the segments, at an explanation; at the panel as evidence alone. */
function reportedObject(context: ResultContext, { kind, map, sopClassUid, sopInstanceUid }: DicomResult): ReportedObject {
  const communities = context.prediction.explanation.maps.find(({ name }) => name === map)?.communities ?? []
  return {
    sopClassUid,
    sopInstanceUid,
    seriesInstanceUid: seriesUid(context, kind),
    concept: kind === 'seg' ? CODES.referencedSegment : kind === 'pm' ? CODES.visualExplanation : null,
    segments: kind === 'seg' ? communities.map((_, position) => position + 1) : [],
  }
}
