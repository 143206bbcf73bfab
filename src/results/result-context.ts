/** One prediction, its source and the installation in: what every builder of this room needs of them, out. */
import { createHash } from 'node:crypto'
import { buildUid } from '../dicom/build-uid.ts'
import { isLegalUid } from '../dicom/check-value.ts'
import { type Code, PRIVATE_SCHEME } from '../dicom/coded-concepts.ts'
import { KEYWORDS, type Keyword } from '../dicom/keywords.ts'
import type { ResultEnvironment, ResultKind } from '../domain/dicom-result.ts'
import type { ClassOutput } from '../domain/explanation.ts'
import type { Prediction } from '../domain/prediction.ts'
import { Problem } from '../domain/problem.ts'
import type { SourceReference } from '../domain/source-reference.ts'
import { characterSetOf, fitText } from './character-set.ts'

/** A source whose results can be filed: it is in a series of a study. */
export type FiledSource = SourceReference & { readonly studyInstanceUid: string; readonly seriesInstanceUid: string }

export interface ResultContext {
  readonly prediction: Prediction
  readonly source: FiledSource
  readonly environment: ResultEnvironment
  /** SpecificCharacterSet of all objects; empty where it is left out. */
  readonly characterSet: readonly string[]
  readonly moment: Moment
}

/** When the objects were made, in the time zone that all their dates and times are in. */
export interface Moment {
  /** YYYYMMDD */
  readonly date: string
  /** HHMMSS.fff */
  readonly time: string
  /** +hhmm or -hhmm */
  readonly offset: string
}

/**
 * Throws: "uid-invalid" naming the keyword, where the source lacks a UID that results must repeat or point at, or has one that no object may hold;
 * "result-invalid" where the installation or the program has no name, the time of creation is no time, or the source's text can't be copied.
 */
export function resultContext(prediction: Prediction, source: SourceReference, environment: ResultEnvironment): ResultContext {
  if (environment.deviceSerialNumber.trim() === '' || prediction.provenance.software.trim() === '')
    throw new Problem('result-invalid', 'an object must name the device and the program that made it', {})
  return { prediction, source: filedSource(source), environment, characterSet: characterSetOf(source), moment: momentOf(source, environment) }
}

function filedSource(source: SourceReference): FiledSource {
  return {
    ...source,
    sopClassUid: legalUid('SOPClassUID', source.sopClassUid),
    sopInstanceUid: legalUid('SOPInstanceUID', source.sopInstanceUid),
    studyInstanceUid: legalUid('StudyInstanceUID', source.studyInstanceUid),
    seriesInstanceUid: legalUid('SeriesInstanceUID', source.seriesInstanceUid),
    frameOfReferenceUid: isLegalUid(source.frameOfReferenceUid ?? '') ? source.frameOfReferenceUid : null,
  }
}

function legalUid(keyword: string, uid: string | null): string {
  if (uid === null || !isLegalUid(uid))
    throw new Problem('uid-invalid', `${keyword} of the source is missing or no UID by PS3.5 section 9.1, so no result can refer to it`, { keyword })
  return uid
}

/** An object's dates share one time zone (PS3.3 table C.12-1), so ours follow the source's where it states one. */
function momentOf(source: SourceReference, environment: ResultEnvironment): Moment {
  const stated = /^([+-])(\d{2})(\d{2})$/.exec(sourceText(source, 'TimezoneOffsetFromUTC') ?? '')
  const minutes = stated === null ? environment.utcOffsetMinutes : Number(`${stated[1]}1`) * (Number(stated[2]) * 60 + Number(stated[3]))
  const utcMs = Date.parse(environment.createdAt)
  if (Number.isNaN(utcMs)) throw new Problem('result-invalid', 'the time of creation is no ISO 8601 time', {})
  const [date = '', time = ''] = new Date(utcMs + minutes * 60_000).toISOString().replace(/[-:Z]/g, '').split('T')
  const clock = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60].map((part) => String(part).padStart(2, '0')).join('')
  return { date, time, offset: `${minutes < 0 ? '-' : '+'}${clock}` }
}

/** A copied attribute's ASCII text without its padding, null where it is absent or empty. Never a patient's: those are copied, not read. */
export function sourceText(source: SourceReference, keyword: Keyword): string | null {
  const tag = KEYWORDS[keyword].slice(0, 8)
  const bytes = source.attributes.find((attribute) => attribute.tag === tag)?.bytes
  return bytes === undefined
    ? null
    : Buffer.from(bytes)
        .toString('latin1')
        .replace(/[ \0]+$/, '')
        .trim() || null
}

/** Words of ours, cut to a length in characters. */
export const text = (context: ResultContext, words: string, longest = 64): string => fitText(context.characterSet, words, longest)

/**
 * The UID of an object made from this prediction: the same again whenever the same image meets the same model and options, so that a retry adds nothing.
 *
 * what  the kind, and the map where there may be several
 */
export function instanceUid(context: ResultContext, ...what: readonly string[]): string {
  const { prediction, source } = context
  const { model, provenance, explanation } = prediction
  const made = [model.id, model.version, model.graphSha256, provenance.preprocessingSha256, String(provenance.seed), String(explanation.explainedClass)]
  return buildUid('attending', 'instance', source.sopInstanceUid, String(source.frame), ...made, ...what)
}

/** The UID of an object that shows or points at the answer as a whole: its maps and its drawn masks are part of what makes it. */
export function answerUid(context: ResultContext, kind: ResultKind): string {
  const { maps, uncertainty } = context.prediction.explanation
  return instanceUid(context, kind, String(uncertainty?.samples), ...maps.map(({ name }) => name))
}

/** The series of one kind of result beside one series of the source. */
export function seriesUid(context: ResultContext, kind: ResultKind): string {
  const { model } = context.prediction
  return buildUid('attending', 'series', context.source.seriesInstanceUid, model.id, model.version, kind)
}

/** This installation as an observer. */
export const deviceUid = ({ environment }: ResultContext): string => buildUid('attending', 'device', environment.deviceSerialNumber)

/** A class's concept: the manifest's where it has one, else one of our own scheme that hangs on the name alone. */
export function classCode(context: ResultContext, name: string, code: ClassOutput['code']): Code {
  if (code !== null) return { ...code, meaning: text(context, code.meaning) }
  const value = `CLASS_${createHash('sha256').update(name).digest('hex').slice(0, 10)}`
  return { value, scheme: PRIVATE_SCHEME, meaning: text(context, name) || 'unnamed class' }
}

/** The predicted class's output. Throws: "result-invalid" where the prediction names a class that it doesn't list. */
export function predictedClass({ prediction }: ResultContext): ClassOutput {
  const { classes, predictedClass: name } = prediction.explanation
  const output = classes.find((candidate) => candidate.name === name)
  if (output === undefined) throw new Problem('result-invalid', 'the predicted class is not among the classes', {})
  return output
}
