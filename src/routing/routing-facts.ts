/** A file's header in, the few facts that rules may ask about out. Runs where files are decoded: in an engine, or in a command of the terminal. */

import type { Keyword } from '../dicom/keywords.ts'
import { readInteger, readString } from '../dicom/read-attributes.ts'
import { type Dataset, readPart10 } from '../dicom/read-part10.ts'

/** What an instance is. The two texts are for matching alone: they are shown nowhere. */
export interface RoutingFacts {
  readonly sopClassUid: string | null
  readonly modality: string | null
  readonly bodyPartExamined: string | null
  readonly viewPosition: string | null
  readonly burnedInAnnotation: string | null
  readonly numberOfFrames: number
  readonly seriesDescription: string | null
  readonly studyDescription: string | null
}

const UTF8 = 'ISO_IR 192'

/** Throws as `readPart10` does. */
export function readRoutingFacts(bytes: Uint8Array): RoutingFacts {
  const { dataset } = readPart10(bytes)
  const code = (keyword: Keyword): string | null => readString(dataset, keyword)
  return {
    sopClassUid: code('SOPClassUID'),
    modality: code('Modality'),
    bodyPartExamined: code('BodyPartExamined'),
    viewPosition: code('ViewPosition'),
    burnedInAnnotation: code('BurnedInAnnotation'),
    numberOfFrames: Math.max(1, readInteger(dataset, 'NumberOfFrames') || 1),
    seriesDescription: readText(dataset, 'SeriesDescription'),
    studyDescription: readText(dataset, 'StudyDescription'),
  }
}

/** Text as UTF-8 where the file says so; else byte by byte, in which ASCII reads the same in every character set of the standard. */
function readText(dataset: Dataset, keyword: Keyword): string | null {
  const text = readString(dataset, keyword)
  if (text === null) return null
  return readString(dataset, 'SpecificCharacterSet') === UTF8 ? Buffer.from(text, 'latin1').toString('utf8') : text
}
