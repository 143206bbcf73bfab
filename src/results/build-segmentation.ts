/** The map of communities in, a binary Segmentation in the source's own pixels out: one segment a community. */
import { CODES, toCodeSequence } from '../dicom/coded-concepts.ts'
import type { NewDataset } from '../dicom/dataset.ts'
import type { DicomResult } from '../domain/dicom-result.ts'
import type { CommunityFacts, ExplanationMap } from '../domain/explanation.ts'
import { Problem } from '../domain/problem.ts'
import { writeResult } from './common-modules.ts'
import { derivationImage, dimensionModule, frameOfReference, framePosition, sharedPlane } from './functional-groups.ts'
import { labelPixels } from './label-pixels.ts'
import { packSegments } from './pack-segments.ts'
import { type SourcePlane, sourcePlane } from './patient-plane.ts'
import { instanceUid, type ResultContext, text } from './result-context.ts'
import { segmentColor, toPcsLab } from './segment-color.ts'
import { commonInstanceReference, lossyHistory } from './source-image.ts'

export const SEGMENTATION = '1.2.840.10008.5.1.4.1.1.66.4'

export const segmentationUid = (context: ResultContext, map: ExplanationMap): string => instanceUid(context, 'seg', map.name)

/**
 * Communities as a Segmentation Image (PS3.3 A.51), BINARY, a frame for each segment, segment n for the community with index n - 1.
 *
 * A source that says where it lies in the patient, and how thick it is, gives the frames its plane; one that does not is matched pixel by pixel, which A.51 allows because
 * rows, columns and the referenced image are the source's own.
 * Throws: "result-invalid" where the map has no communities, or the network's placement is not this source's.
 */
export function buildSegmentation(context: ResultContext, map: ExplanationMap): DicomResult {
  const { source, prediction } = context
  const { placement } = prediction.input
  const { communities } = map
  if (communities.length === 0) throw new Problem('result-invalid', 'a map without communities has no segments', {})
  if (placement.sourceRows !== source.rows || placement.sourceColumns !== source.columns) throw new Problem('result-invalid', 'the placement is not of this source', {})
  const labels = labelPixels(map.grid, placement)
  const sopInstanceUid = segmentationUid(context, map)
  return writeResult(context, {
    kind: 'seg',
    map: map.name,
    sopClassUid: SEGMENTATION,
    sopInstanceUid,
    dataset: {
      ImageType: ['DERIVED', 'PRIMARY'],
      ...segmentationImage(context, communities),
      ...frames(context, sopInstanceUid, communities),
      ...commonInstanceReference(source),
      PixelData: packSegments(
        labels,
        communities.map(({ index }) => index),
      ),
    },
  })
}

/** Segmentation Image module (PS3.3 C.8.20.2). */
function segmentationImage(context: ResultContext, communities: readonly CommunityFacts[]): NewDataset {
  const { source } = context
  return {
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: source.rows,
    Columns: source.columns,
    BitsAllocated: 1,
    BitsStored: 1,
    HighBit: 0,
    PixelRepresentation: 0,
    BurnedInAnnotation: 'NO',
    RecognizableVisualFeatures: 'NO',
    ...lossyHistory(source),
    SegmentationType: 'BINARY',
    SegmentsOverlap: 'NO',
    ContentLabel: 'COMMUNITIES',
    ContentDescription: 'Communities of image patches (research use only)',
    ContentCreatorName: null,
    ContentQualification: 'RESEARCH',
    SegmentSequence: communities.map((community, position) => segment(context, community, position + 1)),
  }
}

/** Segment Description (PS3.3 C.8.20.4). A community is a pattern of the network's, no tissue. */
function segment(context: ResultContext, { index, share }: CommunityFacts, number: number): NewDataset {
  const { model } = context.prediction
  return {
    SegmentNumber: number,
    SegmentLabel: `Community ${index + 1}`,
    SegmentDescription: `${(share * 100).toFixed(1)} % of the patches. A pattern found by the network, not an anatomic structure.`,
    SegmentAlgorithmType: 'AUTOMATIC',
    SegmentAlgorithmName: text(context, model.id),
    SegmentedPropertyCategoryCodeSequence: toCodeSequence(CODES.spatialConcept),
    SegmentedPropertyTypeCodeSequence: toCodeSequence(CODES.community),
    SegmentationAlgorithmIdentificationSequence: [
      {
        AlgorithmFamilyCodeSequence: toCodeSequence(CODES.artificialIntelligence),
        AlgorithmName: text(context, model.id),
        AlgorithmVersion: text(context, model.version),
        AlgorithmParameters: `graph SHA-256 ${model.graphSha256}`,
        AlgorithmSource: 'attending',
      },
    ],
    TrackingID: `Community ${index + 1}`,
    TrackingUID: instanceUid(context, 'segment', String(index)),
    RecommendedDisplayCIELabValue: toPcsLab(segmentColor(index)),
  }
}

/** Multi-frame Functional Groups and Dimension: by segment, and by position where there is one. */
function frames(context: ResultContext, sopInstanceUid: string, communities: readonly CommunityFacts[]): NewDataset {
  const plane = sourcePlane(context.source)
  // Pixel Measures of a Segmentation need a thickness (PS3.3 C.7.6.16.2.1), and none is made up.
  const located: SourcePlane | null = 'reason' in plane || plane.sliceThickness === null ? null : plane
  const byPosition = located === null ? [] : [{ pointer: 'ImagePositionPatient', group: 'PlanePositionSequence' } as const]
  return {
    // Which way the patient lies is told by the plane, or unknown (PS3.3 C.7.6.1.1.1).
    ...(located === null ? { PatientOrientation: null } : frameOfReference(located.frameOfReferenceUid)),
    ...dimensionModule(sopInstanceUid, [{ pointer: 'ReferencedSegmentNumber', group: 'SegmentIdentificationSequence' }, ...byPosition]),
    NumberOfFrames: communities.length,
    SharedFunctionalGroupsSequence: [located === null ? {} : sharedPlane(located, located.sliceThickness)],
    PerFrameFunctionalGroupsSequence: communities.map((_, position) => ({
      FrameContentSequence: [{ DimensionIndexValues: [position + 1, ...byPosition.map(() => 1)] }],
      SegmentIdentificationSequence: [{ ReferencedSegmentNumber: position + 1 }],
      ...derivationImage(context.source, CODES.segmentation),
      ...(located === null ? {} : framePosition(located)),
    })),
  }
}
