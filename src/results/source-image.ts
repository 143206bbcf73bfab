/** The source in, references to it and its pixels' history out. */
import { CODES, toCodeSequence } from '../dicom/coded-concepts.ts'
import type { NewDataset } from '../dicom/dataset.ts'
import type { SourceReference } from '../domain/source-reference.ts'
import { type FiledSource, type ResultContext, text } from './result-context.ts'

const STORAGE = '1.2.840.10008.5.1.4.1.1'
/** Classes of single images, in the order of PS3.4 table B.5-1: an instance of one of these has no frames to refer to, though some hold more than one. */
const SINGLE_FRAME_CLASSES = ['1', '1.1', '1.1.1', '1.2', '1.2.1', '1.3', '1.3.1', '2', '4', '6.1', '7', '77.1.1', '77.1.2', '77.1.3', '77.1.4', '128'].map(
  (end) => `${STORAGE}.${end}`,
)

/** Class and instance; of a multi-frame instance the frame too (PS3.3 table 10-3). */
export function sourceReference({ sopClassUid, sopInstanceUid, frame, numberOfFrames }: SourceReference): NewDataset {
  const hasFrames = numberOfFrames > 1 && !SINGLE_FRAME_CLASSES.includes(sopClassUid)
  return { ReferencedSOPClassUID: sopClassUid, ReferencedSOPInstanceUID: sopInstanceUid, ...(hasFrames ? { ReferencedFrameNumber: frame } : {}) }
}

/** The source as the image that ours was made from. */
export function sourceImageSequence(source: SourceReference): readonly NewDataset[] {
  return [{ ...sourceReference(source), PurposeOfReferenceCodeSequence: toCodeSequence(CODES.sourceImage) }]
}

/** Common Instance Reference (PS3.3 C.12.2): the source lies in the object's own study. */
export function commonInstanceReference(source: FiledSource): NewDataset {
  const { sopClassUid, sopInstanceUid, seriesInstanceUid } = source
  return {
    ReferencedSeriesSequence: [
      { SeriesInstanceUID: seriesInstanceUid, ReferencedInstanceSequence: [{ ReferencedSOPClassUID: sopClassUid, ReferencedSOPInstanceUID: sopInstanceUid }] },
    ],
  }
}

/** How an image was made of the source, in words. */
export function derivationDescription(context: ResultContext, what: string): string {
  const { prediction, source } = context
  const { model } = prediction
  const frame = source.numberOfFrames > 1 ? ` Frame ${source.frame} of ${source.numberOfFrames}.` : ''
  return text(context, `${what}${frame} Model ${model.id} ${model.version}, graph SHA-256 ${model.graphSha256}. Research use only, not for diagnosis.`, 1024)
}

/** The compression that a transfer syntax of lossy streams stands for (PS3.3 C.7.6.1.1.5.1). */
const LOSSY_METHODS: Readonly<Record<string, string>> = {
  '1.2.840.10008.1.2.4.50': 'ISO_10918_1',
  '1.2.840.10008.1.2.4.51': 'ISO_10918_1',
  '1.2.840.10008.1.2.4.53': 'ISO_10918_1',
  '1.2.840.10008.1.2.4.81': 'ISO_14495_1',
  '1.2.840.10008.1.2.4.91': 'ISO_15444_1',
  '1.2.840.10008.1.2.4.203': 'ISO_15444_15',
}
/** These can hold exact values too, so that a stated "00" is believed. */
const MAYBE_LOSSLESS = ['1.2.840.10008.1.2.4.81', '1.2.840.10008.1.2.4.91', '1.2.840.10008.1.2.4.203']

/**
 * Whether pixels ever went through lossy compression, by what method and how far: once 01, never 00 again (PS3.3 C.7.6.1.1.5).
 * A ratio that the source does not state stays unstated.
 */
export function lossyHistory(source: SourceReference): NewDataset {
  const method = LOSSY_METHODS[source.transferSyntaxUid] ?? null
  const isBelievable = method === null || MAYBE_LOSSLESS.includes(source.transferSyntaxUid)
  const isLossy = source.lossyImageCompression === '01' || (method !== null && !(isBelievable && source.lossyImageCompression === '00'))
  if (!isLossy) return { LossyImageCompression: '00' }
  const ratios = source.lossyImageCompressionRatio
    ?.split('\\')
    .filter((ratio) => Number(ratio) > 0)
    .map(Number)
  const methods = source.lossyImageCompressionMethod?.split('\\').filter((name) => /^[A-Z0-9_]{1,16}$/.test(name)) ?? (method === null ? [] : [method])
  return {
    LossyImageCompression: '01',
    LossyImageCompressionRatio: ratios === undefined || ratios.length === 0 ? undefined : ratios,
    LossyImageCompressionMethod: methods.length === 0 ? undefined : methods,
  }
}
