/** Planes and references in, items of multi-frame functional groups and dimensions out (PS3.3 C.7.6.16 and C.7.6.17). */
import { buildUid } from '../dicom/build-uid.ts'
import { type Code, toCodeSequence } from '../dicom/coded-concepts.ts'
import type { NewDataset } from '../dicom/dataset.ts'
import type { Keyword } from '../dicom/keywords.ts'
import type { Plane } from './patient-plane.ts'
import type { FiledSource } from './result-context.ts'
import { sourceImageSequence } from './source-image.ts'

/** One axis that frames are told apart by. */
export interface Dimension {
  readonly pointer: Keyword
  readonly group: Keyword
}

/** Dimensions of a multi-frame object, in the order of DimensionIndexValues. */
export function dimensionModule(sopInstanceUid: string, dimensions: readonly Dimension[]): NewDataset {
  const uid = buildUid('attending', 'dimensions', sopInstanceUid)
  return {
    DimensionOrganizationSequence: [{ DimensionOrganizationUID: uid }],
    DimensionIndexSequence: dimensions.map(({ pointer, group }) => ({
      DimensionOrganizationUID: uid,
      DimensionIndexPointer: pointer,
      FunctionalGroupPointer: group,
      DimensionDescriptionLabel: pointer,
    })),
  }
}

/** Pixel Measures and Plane Orientation, which all frames share. sliceThickness in mm, null where unknown. */
export function sharedPlane(plane: Plane, sliceThickness: number | null): NewDataset {
  return {
    PixelMeasuresSequence: [{ PixelSpacing: plane.pixelSpacing, ...(sliceThickness === null ? {} : { SliceThickness: sliceThickness }) }],
    PlaneOrientationSequence: [{ ImageOrientationPatient: plane.imageOrientationPatient.flat() }],
  }
}

/** Plane Position of one frame. */
export const framePosition = (plane: Plane): NewDataset => ({ PlanePositionSequence: [{ ImagePositionPatient: plane.imagePositionPatient }] })

/** Derivation Image: what was done, to which image (and frame) of the source. */
export function derivationImage(source: FiledSource, what: Code): NewDataset {
  return {
    DerivationImageSequence: [
      { DerivationCodeSequence: toCodeSequence(what), SourceImageSequence: sourceImageSequence(source).map((item) => ({ ...item, SpatialLocationsPreserved: 'YES' })) },
    ],
  }
}

/** Frame of Reference module of a result that shares the source's. */
export const frameOfReference = (uid: string): NewDataset => ({ FrameOfReferenceUID: uid, PositionReferenceIndicator: null })
