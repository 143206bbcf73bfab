/** A report's context in, what every report states beside its content out: its evidence, its observer. */
import { CODES, type Code } from '../dicom/coded-concepts.ts'
import type { NewDataset } from '../dicom/dataset.ts'
import { codeItem, textItem, uidItem } from './content-items.ts'
import { deviceUid, type ResultContext, text } from './result-context.ts'

/** Another result that a report points at. */
export interface ReportedObject {
  readonly sopClassUid: string
  readonly sopInstanceUid: string
  readonly seriesInstanceUid: string
  /** Under what name the measurements refer to it; null where it is evidence only. */
  readonly concept: Code | null
  /** Segments referred to, from 1; empty for the whole object. */
  readonly segments: readonly number[]
}

/** Every instance that the content refers to or was made with, by series. */
export function evidence({ source }: ResultContext, others: readonly ReportedObject[]): readonly NewDataset[] {
  const objects = [source, ...others]
  const series = [...new Set(objects.map(({ seriesInstanceUid }) => seriesInstanceUid))]
  return [
    {
      StudyInstanceUID: source.studyInstanceUid,
      ReferencedSeriesSequence: series.map((uid) => ({
        SeriesInstanceUID: uid,
        ReferencedSOPSequence: objects
          .filter(({ seriesInstanceUid }) => seriesInstanceUid === uid)
          .map(({ sopClassUid, sopInstanceUid }) => ({ ReferencedSOPClassUID: sopClassUid, ReferencedSOPInstanceUID: sopInstanceUid })),
      })),
    },
  ]
}

/** TID 1002 and 1004: a device reports, no person has looked. */
export function observerContext(context: ResultContext): readonly NewDataset[] {
  return [
    codeItem('HAS OBS CONTEXT', CODES.observerType, CODES.device),
    uidItem('HAS OBS CONTEXT', CODES.deviceObserverUid, deviceUid(context)),
    textItem('HAS OBS CONTEXT', CODES.deviceObserverName, 'attending'),
    textItem('HAS OBS CONTEXT', CODES.deviceObserverManufacturer, 'attending'),
    textItem('HAS OBS CONTEXT', CODES.deviceObserverModelName, text(context, context.prediction.provenance.software)),
    textItem('HAS OBS CONTEXT', CODES.deviceObserverSerialNumber, text(context, context.environment.deviceSerialNumber)),
  ]
}
