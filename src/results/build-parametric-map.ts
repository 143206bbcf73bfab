/** One continuous map in, a Parametric Map of its true values in the source's geometry out. */
import { CODES, type Code, toCodeSequence } from '../dicom/coded-concepts.ts'
import type { NewDataset } from '../dicom/dataset.ts'
import type { DicomResult } from '../domain/dicom-result.ts'
import type { ExplanationMap } from '../domain/explanation.ts'
import { Problem } from '../domain/problem.ts'
import { writeResult } from './common-modules.ts'
import { derivationImage, dimensionModule, frameOfReference, framePosition, sharedPlane } from './functional-groups.ts'
import { type CellWindow, cellsOnSource, planeOfCells, type SourcePlane } from './patient-plane.ts'
import { instanceUid, type ResultContext, text } from './result-context.ts'
import { commonInstanceReference, derivationDescription, lossyHistory } from './source-image.ts'

export const PARAMETRIC_MAP = '1.2.840.10008.5.1.4.1.1.30'

export const parametricMapUid = (context: ResultContext, map: ExplanationMap): string => instanceUid(context, 'pm', map.name)

/** CID 217: attention and what is summed of it is a saliency; of the other maps no more is said than that they explain. */
const SALIENCY_MAPS = ['attention', 'rollout', 'attention-without-structure']

/** DERIVED of an image, PRIMARY since its values are no copy, one plane, numbers of a quantity (PS3.3 C.8.32.2). */
const IMAGE_TYPE = ['DERIVED', 'PRIMARY', 'OTHER', 'QUANTITY']

/**
 * The map as a Parametric Map (PS3.3 A.75), float32, one pixel a patch: nothing is interpolated, a viewer lays it over the image by position.
 *
 * plane  the source's
 *
 * Patches whose centers lie beside the source (padding) are left out.
 * Throws: "result-invalid" where the map holds no continuous values, or lies beside the source as a whole.
 */
export function buildParametricMap(context: ResultContext, map: ExplanationMap, plane: SourcePlane): DicomResult {
  const [height = 0, width = 0] = map.grid.shape
  const { placement } = context.prediction.input
  const window = cellsOnSource([height, width], placement)
  if (map.kind === 'categorical' || !map.grid.data.every(Number.isFinite)) throw new Problem('result-invalid', 'a parametric map needs continuous, finite values', {})
  if (window.rows === 0) throw new Problem('result-invalid', 'no patch of the map lies on the source', {})
  const values = cut(map.grid.data, width, window)
  const sopInstanceUid = parametricMapUid(context, map)
  return writeResult(context, {
    kind: 'pm',
    map: map.name,
    sopClassUid: PARAMETRIC_MAP,
    sopInstanceUid,
    dataset: {
      Laterality: null,
      ...frameOfReference(plane.frameOfReferenceUid),
      ...parametricMapImage(context, map, window),
      ...dimensionModule(sopInstanceUid, [{ pointer: 'ImagePositionPatient', group: 'PlanePositionSequence' }]),
      NumberOfFrames: 1,
      ...functionalGroups(context, map, plane, values, window),
      ...commonInstanceReference(context.source),
      AcquisitionContextSequence: [],
      FloatPixelData: values,
    },
  })
}

/** The window's values, row by row. */
function cut(values: Float32Array, width: number, { top, left, rows, columns }: CellWindow): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: rows * columns }, (_, i) => values[(top + Math.floor(i / columns)) * width + left + (i % columns)] ?? 0)
}

/** Parametric Map Image module (PS3.3 C.8.32.2). */
function parametricMapImage(context: ResultContext, map: ExplanationMap, { rows, columns }: CellWindow): NewDataset {
  return {
    ImageType: IMAGE_TYPE,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: rows,
    Columns: columns,
    BitsAllocated: 32,
    PresentationLUTShape: 'IDENTITY',
    BurnedInAnnotation: 'NO',
    RecognizableVisualFeatures: 'NO',
    ...lossyHistory(context.source),
    ContentQualification: 'RESEARCH',
    ContentLabel: toCodeString(map.name),
    ContentDescription: text(context, map.title),
    ContentCreatorName: null,
    DerivationDescription: derivationDescription(context, `${map.title}: ${map.method}.${map.explainedClass === null ? '' : ` Explains ${map.explainedClass}.`}`),
  }
}

/** A map's name as a code string: edge-probability becomes EDGE_PROBABILITY. */
const toCodeString = (name: string): string =>
  name
    .toUpperCase()
    .replace(/[^A-Z0-9]+/g, '_')
    .slice(0, 16)

function functionalGroups(context: ResultContext, map: ExplanationMap, plane: SourcePlane, values: Float32Array, window: CellWindow): NewDataset {
  const [height = 0, width = 0] = map.grid.shape
  const cells = planeOfCells(plane, [height, width], context.prediction.input.placement, window)
  return {
    SharedFunctionalGroupsSequence: [
      {
        ...sharedPlane(cells, plane.sliceThickness),
        FrameVOILUTSequence: [voiWindow(map, values)],
        PixelValueTransformationSequence: [{ RescaleIntercept: 0, RescaleSlope: 1, RescaleType: 'US' }],
        ParametricMapFrameTypeSequence: [{ FrameType: IMAGE_TYPE }],
        RealWorldValueMappingSequence: [realWorldValues(context, map, values)],
      },
    ],
    PerFrameFunctionalGroupsSequence: [
      {
        FrameContentSequence: [{ DimensionIndexValues: [1] }],
        ...framePosition(cells),
        ...derivationImage(context.source, quantityOf(map)),
      },
    ],
  }
}

/** The map's printed limits, so that every image of a model is shown alike; LINEAR_EXACT, since LINEAR has no window narrower than 1. */
function voiWindow(map: ExplanationMap, values: Float32Array): NewDataset {
  const { min, max } = map.range ?? limitsOf(values)
  return { WindowCenter: (min + max) / 2, WindowWidth: max > min ? max - min : 1, VOILUTFunction: 'LINEAR_EXACT' }
}

const limitsOf = (values: Float32Array): { min: number; max: number } => ({ min: Math.min(...values), max: Math.max(...values) })

/** Stored values are the true ones (PS3.3 C.7.6.16.2.11). */
function realWorldValues(context: ResultContext, map: ExplanationMap, values: Float32Array): NewDataset {
  const { min, max } = limitsOf(values)
  return {
    LUTLabel: text(context, map.name, 16),
    LUTExplanation: text(context, `${map.title} (${map.unit})`),
    DoubleFloatRealWorldValueFirstValueMapped: min,
    DoubleFloatRealWorldValueLastValueMapped: max,
    RealWorldValueIntercept: 0,
    RealWorldValueSlope: 1,
    MeasurementUnitsCodeSequence: toCodeSequence(CODES.noUnits),
    QuantityDefinitionSequence: [{ ValueType: 'CODE', ConceptNameCodeSequence: toCodeSequence(CODES.quantity), ConceptCodeSequence: toCodeSequence(quantityOf(map)) }],
  }
}

const quantityOf = (map: ExplanationMap): Code => (SALIENCY_MAPS.includes(map.name) ? CODES.saliency : CODES.visualExplanation)
