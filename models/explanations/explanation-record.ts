/** The report of `npm run evaluate -- <bundle> --explanations` in, what the bundle's manifest keeps of it out. */
import type { ExplanationRecord } from '../../src/domain/manifest.ts'
import { Problem } from '../../src/domain/problem.ts'
import { MOSTLY_BLANK } from '../../src/explain/blank-patches.ts'
import type { DefaultMap } from './choose-default.ts'
import type { Randomization } from './randomize-model.ts'
import { gapOf, type MapSummary, type Summary } from './summarize.ts'

/** The parts of the report that are kept; the whole of it is printed. */
export interface ExplanationReport {
  readonly model: { readonly graphSha256: string }
  readonly data: { readonly sha256: string }
  readonly default: DefaultMap
  readonly validation: Summary
  readonly test: Summary
  readonly randomization: Randomization | null
}

/**
 * The report of a file, checked as far as it is read.
 *
 * Throws: "parameter-invalid" where it is none, or is of another graph.
 */
export function readReport(json: string, graphSha256: string): ExplanationReport {
  const report = parsed(json) as Partial<ExplanationReport> | null
  if (!report?.default?.baseline || !report.data || !report.validation?.maps || !report.test?.maps) throw invalid('the file is no report of evaluate --explanations')
  if (report.model?.graphSha256 !== graphSha256) throw invalid('the report of the maps is of another graph than this one')
  return report as ExplanationReport
}

/** The default map, and by map the measure that chose it, on both splits. */
export function recordOf({ data, default: chosen, validation, test, randomization }: ExplanationReport): ExplanationRecord {
  const maps = Object.entries(validation.maps).map(([name, summary]) => {
    const onTest = test.maps[name]
    return {
      name,
      classSpecific: summary.classSpecific,
      validation: measureOf(chosen.by, summary),
      test: onTest === undefined ? null : measureOf(chosen.by, onTest),
      hasForgotten: randomization?.hasForgotten[name] ?? null,
      // Reports are kept for long: those made before the share was measured lack it.
      ...(typeof onTest?.blankShare === 'number' && { blankShare: onTest.blankShare }),
    }
  })
  const { map, by, value, baseline } = chosen
  const isPlaced = by === 'pointing, then relevance mass'
  const images = { validation: isPlaced ? validation.images : validation.curveImages, test: isPlaced ? test.images : test.curveImages }
  return { default: map, by, value, baseline, dataSha256: data.sha256, images, maps }
}

/** The part of the class token's attention that lies where the image shows nothing, on the test split; null where it is not most of it, or was not measured. */
export function attentionMostlyOnBlank({ maps }: ExplanationRecord): number | null {
  const share = maps.find(({ name }) => name === 'attention')?.blankShare ?? 0
  return share > MOSTLY_BLANK ? share : null
}

function measureOf(by: DefaultMap['by'], { localization, faithfulness }: MapSummary): number | null {
  if (by === 'pointing, then relevance mass') return localization?.pointing ?? null
  return faithfulness === null ? null : gapOf(faithfulness)
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return null
  }
}

function invalid(detail: string): Problem {
  return new Problem('parameter-invalid', detail, { parameter: 'explanations' })
}
