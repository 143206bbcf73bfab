/** A parsed data set and a frame's number in, where that frame's own attributes are written out. */
import type { Keyword } from '../dicom/keywords.ts'
import { readItems } from '../dicom/read-attributes.ts'
import type { Dataset } from '../dicom/read-part10.ts'

/** Places to read a frame's attributes from; in a classic image each is the data set itself (PS3.3 C.7.6.16). */
export interface FrameAttributes {
  readonly root: Dataset
  readonly rescale: Dataset
  readonly voi: Dataset
  readonly pixelMeasures: Dataset
  readonly planePosition: Dataset
  readonly planeOrientation: Dataset
}

/** Where the attributes of frame `frame` (from 1) are: its own functional group, else the shared one, else the root. */
export function findFrameAttributes(root: Dataset, frame: number): FrameAttributes {
  const own = readItems(root, 'PerFrameFunctionalGroupsSequence')[frame - 1]
  const [shared] = readItems(root, 'SharedFunctionalGroupsSequence')
  const find = (macro: Keyword): Dataset => firstItem(own, macro) ?? firstItem(shared, macro) ?? root
  return {
    root,
    rescale: find('PixelValueTransformationSequence'),
    voi: find('FrameVOILUTSequence'),
    pixelMeasures: find('PixelMeasuresSequence'),
    planePosition: find('PlanePositionSequence'),
    planeOrientation: find('PlaneOrientationSequence'),
  }
}

function firstItem(dataset: Dataset | undefined, keyword: Keyword): Dataset | undefined {
  return dataset === undefined ? undefined : readItems(dataset, keyword)[0]
}
