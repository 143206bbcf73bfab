/** The class token's attention and its gradient in, what spoke for a class and what against it out. */
import type { ExplanationMap } from '../domain/explanation.ts'
import { softmax } from '../tensor/softmax.ts'
import { buildMap } from './build-map.ts'
import { type MapContext, type MapMethod, studyOf } from './map-method.ts'
import { meanOfRows, toHeadGrids, toPatchGrid } from './patch-grid.ts'
import { gradientOf, scoresUnder, type TailStudy } from './tail-study.ts'

const SOURCE = 'gradient times attention, Chefer, Gur and Wolf, arXiv:2103.15679, equation 5, last layer; closed form'

export const evidence: MapMethod = {
  name: 'evidence',
  title: 'Evidence',
  isDefault: true,
  readsTail: true,
  needs: () => [],
  build: (context) => evidenceMap(context, 'positive'),
}

export const signedEvidence: MapMethod = {
  name: 'evidence-signed',
  title: 'Evidence for and against',
  isDefault: false,
  readsTail: true,
  needs: () => [],
  build: (context) => evidenceMap(context, 'signed'),
}

async function evidenceMap(context: MapContext, part: 'positive' | 'signed'): Promise<ExplanationMap> {
  const { manifest, explainedClass } = context
  const signed = await gradientTimesAttention(studyOf(context), explainedClass.index)
  const rows = part === 'signed' ? signed : signed.map((row) => row.map((value) => Math.max(0, value)))
  const isSigned = part === 'signed'
  return buildMap({
    name: isSigned ? 'evidence-signed' : 'evidence',
    formula: isSigned ? 'evidence-signed/2' : 'evidence/2',
    title: isSigned ? 'Evidence for and against' : 'Evidence',
    kind: isSigned ? 'diverging' : 'sequential',
    role: 'causal',
    explainedClass: explainedClass.name,
    layer: manifest.depth - 1,
    grid: toPatchGrid(meanOfRows(rows), manifest),
    heads: toHeadGrids(rows, manifest),
    unit: 'logit (first order)',
    method: `attention of the class token times the class logit's gradient with respect to it, ${isSigned ? 'signed' : 'the positive part of each head'}, mean over heads of the last layer`,
    source: SOURCE,
    notes: ['first order: exact for small changes of the attention'],
  })
}

/** A_0j times d logit / d A_0j of the class, [head][token]. */
export async function gradientTimesAttention(study: TailStudy, classIndex: number): Promise<readonly Float64Array[]> {
  const gradient = gradientOf(await study.unchanged(classIndex), 0)
  return study.scores.map((_, head) => {
    const row = softmax(scoresUnder(study, head, 1))
    const slopes = gradient[head] ?? []
    for (let token = 0; token < row.length; token++) row[token] = (row[token] ?? 0) * (slopes[token] ?? 0)
    return row
  })
}
