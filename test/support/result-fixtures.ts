/** A prediction, its source and its panel as results meet them: made up, with awkward numbers, so that a test sees what is rounded. */
import type { ResultEnvironment, RgbImage } from '../../src/domain/dicom-result.ts'
import type { ExplanationMap } from '../../src/domain/explanation.ts'
import type { DecodedImage } from '../../src/domain/image.ts'
import type { Placement } from '../../src/domain/placement.ts'
import type { Prediction } from '../../src/domain/prediction.ts'
import type { SourceAttribute, SourceReference } from '../../src/domain/source-reference.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'

export const environment: ResultEnvironment = { createdAt: '2026-03-04T23:30:05.250Z', utcOffsetMinutes: 60, deviceSerialNumber: 'unit-test' }

/** Patches of the network's input. */
export const GRID = { height: 4, width: 5 }

/** The centered square of the short side, as a model with fit "crop" sees it. */
export function cropPlacement(rows: number, columns: number): Placement {
  const side = Math.min(rows, columns)
  return {
    sourceRows: rows,
    sourceColumns: columns,
    top: Math.floor((rows - side) / 2),
    left: Math.floor((columns - side) / 2),
    height: side,
    width: side,
    quarterTurns: 0,
    inputHeight: 64,
    inputWidth: 80,
  }
}

/** The centered square of the long side: the input reaches beyond the image. */
export function padPlacement(rows: number, columns: number): Placement {
  const side = Math.max(rows, columns)
  return { ...cropPlacement(rows, columns), top: (rows - side) / 2, left: (columns - side) / 2, height: side, width: side }
}

const MAP: Omit<ExplanationMap, 'name' | 'grid'> = {
  title: 'A map',
  kind: 'sequential',
  classSpecific: false,
  explainedClass: null,
  layer: 3,
  role: 'descriptive',
  heads: null,
  headRange: null,
  range: { min: 0, max: 1 },
  marks: [],
  interpolation: 'bilinear',
  unit: 'attention weight',
  method: 'mean over heads of the last attention',
  source: 'arXiv:2010.11929',
  confidence: null,
  headConfidence: null,
  communities: [],
  numbers: {},
  notes: [],
  altText: 'a map',
}

export function mapOf(name: string, values: (cell: number) => number, more: Partial<ExplanationMap> = {}): ExplanationMap {
  const cells = Float32Array.from({ length: GRID.height * GRID.width }, (_, cell) => values(cell))
  return { ...MAP, name, grid: tensorOf(cells, [GRID.height, GRID.width]), ...more }
}

export const attentionMap = mapOf('attention', (cell) => cell / 190)
export const deltaMap = mapOf('delta', (cell) => (cell - 10) / 7, { kind: 'diverging', range: { min: -10 / 7, max: 10 / 7 }, unit: 'change of attention weight' })
/** Columns of the grid belong to communities 0, 0, 1, 1, 2. */
export const communitiesMap = mapOf('communities', (cell) => Math.floor((cell % GRID.width) / 2), {
  kind: 'categorical',
  range: null,
  interpolation: 'nearest',
  communities: [0.4, 0.4, 0.2].map((share, index) => ({ index, share, deltaLogit: null, shapley: null })),
})

export interface PredictionFixture {
  readonly rows: number
  readonly columns: number
  readonly modality: string | null
  readonly placement?: Placement
  readonly maps?: readonly ExplanationMap[]
}

export function predictionOf({ rows, columns, modality, placement, maps }: PredictionFixture): Prediction {
  return {
    model: { id: 'dcmm-vit-tiny-patch16-64.unit-v1', version: '1.0.3', network: 'dcmm-vit', graphSha256: 'ab'.repeat(32) },
    input: {
      format: 'dicom',
      rows,
      columns,
      frame: 1,
      frames: 1,
      modality,
      transferSyntaxUid: null,
      photometricInterpretation: 'MONOCHROME2',
      bitsStored: 12,
      window: { center: 0, width: 1, function: 'LINEAR' },
      warnings: [],
      placement: placement ?? cropPlacement(rows, columns),
    },
    explanation: {
      classes: [
        {
          name: 'pneumonia',
          code: { value: '233604007', scheme: 'SCT', meaning: 'Pneumonia' },
          logit: 1.2345678901234567,
          probability: 0.8765432109876543,
          calibratedProbability: 2 / 3,
        },
        { name: 'übrig', code: null, logit: -0.72345678901, probability: 0.1234567890123457, calibratedProbability: 1 / 3 },
      ],
      predictedClass: 'pneumonia',
      explainedClass: 'pneumonia',
      counterfactual: {
        structure: 'removed',
        scope: 'network',
        classes: [
          { name: 'pneumonia', logit: 1.1, probability: 0.75, deltaLogit: 0.1345678901234567 },
          { name: 'übrig', logit: -0.6, probability: 0.25, deltaLogit: -1.23e-7 },
        ],
      },
      maps: maps ?? [communitiesMap, attentionMap, deltaMap],
      structure: null,
      communities: communitiesMap.communities,
      agreement: null,
      uncertainty: { samples: 16, seed: 7, classes: [{ name: 'pneumonia', meanProbability: 0.87, standardDeviation: 0.0123 }], flipRate: 0.0625 },
    },
    display: { rows, columns, channels: 1, pixels: new Uint8Array(rows * columns) },
    provenance: {
      software: 'attending 0.1.0',
      graphSha256: 'ab'.repeat(32),
      preprocessingSha256: 'cd'.repeat(32),
      inputSha256: 'ef'.repeat(32),
      seed: null,
      runtime: 'onnxruntime-node 1.30.0 cpu',
    },
    timingMs: { decode: 1, preprocess: 1, infer: 1, explain: 1, queue: 1, render: 1 },
  }
}

const attribute = (tag: string, vr: string, text: string): SourceAttribute => ({ tag, vr, bytes: Buffer.from(text.length % 2 === 0 ? text : `${text} `, 'latin1') })

/** A CT slice of nobody: 23 x 38, oblique, 0.5 x 0.75 mm. */
export const sliceSource: SourceReference = {
  sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
  sopInstanceUid: '2.25.1001',
  studyInstanceUid: '2.25.1002',
  seriesInstanceUid: '2.25.1003',
  frameOfReferenceUid: '2.25.1004',
  transferSyntaxUid: '1.2.840.10008.1.2.1',
  modality: 'CT',
  rows: 23,
  columns: 38,
  frame: 1,
  numberOfFrames: 1,
  pixelSpacing: [0.5, 0.75],
  imagePositionPatient: [-10, 20, 30],
  imageOrientationPatient: [0, 1, 0, 0, 0, -1],
  sliceThickness: 5,
  specificCharacterSet: ['ISO_IR 100'],
  burnedInAnnotation: null,
  lossyImageCompression: null,
  lossyImageCompressionRatio: null,
  lossyImageCompressionMethod: null,
  attributes: [
    attribute('00080020', 'DA', '20260101'),
    attribute('00080050', 'SH', 'A-17'),
    attribute('00100010', 'PN', 'M\xfcller^Zo\xeb'),
    attribute('00100020', 'LO', 'ID-1'),
    attribute('00100040', 'CS', 'F'),
  ],
}

/** A radiograph of nobody without any geometry. */
export const radiographSource: SourceReference = {
  ...sliceSource,
  sopClassUid: '1.2.840.10008.5.1.4.1.1.1',
  modality: 'CR',
  frameOfReferenceUid: null,
  pixelSpacing: null,
  imagePositionPatient: null,
  imageOrientationPatient: null,
  sliceThickness: null,
  specificCharacterSet: [],
  attributes: [],
}

/** A panel whose bytes count up, with an odd number of pixels. */
export const panel: RgbImage = { rows: 5, columns: 7, pixels: Uint8Array.from({ length: 105 }, (_, i) => i * 2) }

/** The prediction that belongs to a decoded corpus image. */
export const predictionFor = (image: DecodedImage): Prediction => predictionOf({ rows: image.facts.rows, columns: image.facts.columns, modality: image.facts.modality })
