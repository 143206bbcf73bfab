/**
 * What is made now, as an earlier version of this program would have said it: an answer or a file of then in, what it could not hold yet left out.
 * Every addition to answers and pictures has its place here, so that replay compares what both hold.
 */
import type { MapAnswer, PredictionAnswer } from '../domain/answer.ts'
import type { ExplanationMap } from '../domain/explanation.ts'
import type { RenderCaption } from '../domain/prediction.ts'
import { isBlankNote } from '../explain/blank-patches.ts'

/** An answer without the input check, and its maps without their figures and what lies on blank patches, where the answer of then lacks them. */
export function answerAsOldAs(then: PredictionAnswer, now: PredictionAnswer): PredictionAnswer {
  const maps = now.maps.map((map) => withoutBlank(then, map)).map((map) => (isWithoutFigures(then, map.name) ? withoutFigures(map) : map))
  if (then.inputCheck !== undefined) return { ...now, maps }
  const { inputCheck: _, ...older } = now
  return { ...older, maps }
}

/** A map that is drawn: the same for one map. */
export function mapAsOldAs(then: PredictionAnswer, map: ExplanationMap): ExplanationMap {
  const older = withoutBlank(then, map)
  if (!isWithoutFigures(then, map.name)) return older
  const { formula: _, statistics: _1, ...drawn } = older
  return drawn
}

/** A map that is written as JSON: without its memberships where the file of then lacks them. */
export function jsonAsOldAs(then: Buffer, map: ExplanationMap): ExplanationMap {
  if (then.includes('"memberships":')) return map
  const { memberships: _, ...older } = map
  return older
}

/** A caption without the input check where the picture or JSON of then lacks it. */
export function captionAsOldAs(then: Buffer, caption: RenderCaption): RenderCaption {
  if (['attending:input-check', '"inputCheck":'].some((mark) => then.includes(mark))) return caption
  const { inputCheck: _, ...older } = caption
  return older
}

function withoutBlank<T extends Pick<ExplanationMap, 'name' | 'notes'> & { readonly numbers?: ExplanationMap['numbers'] }>({ maps }: PredictionAnswer, map: T): T {
  const then = maps.find(({ name }) => name === map.name)
  if (then === undefined || then.numbers?.['blankShare'] !== undefined) return map
  const { blankShare: _, blankArea: _1, ...numbers } = map.numbers ?? {}
  return { ...map, numbers, notes: map.notes.filter((note) => !isBlankNote(note)) }
}

/** Whether the map was answered before the figures of a map were stated. */
function isWithoutFigures({ maps }: PredictionAnswer, name: string): boolean {
  return maps.some((map) => map.name === name && map.gridSha256 === undefined)
}

function withoutFigures(map: MapAnswer): MapAnswer {
  const { shape: _, layer: _1, head: _2, headRange: _3, explainedClass: _4, marks: _5, formula: _6, statistics: _7, numbers: _8, gridSha256: _9, ...older } = map
  return older
}
