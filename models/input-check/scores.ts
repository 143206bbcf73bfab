/** Scores of images that belong and of images that don't in, how well a score tells them apart out. */
import { areaUnderRoc } from '../metrics.ts'

/** What the check says of one image. */
export interface ImageScores {
  readonly verdict: 'in-scope' | 'unusual' | 'out-of-scope' | 'not-checked'
  readonly histogram: number
  readonly embedding: number
  readonly saturated: number
  /** 5 bits, the most that 32 bins can have, minus the entropy: high where few grays are used. */
  readonly missingEntropy: number
}

export const SCORES = ['histogram', 'embedding', 'saturated', 'missingEntropy'] as const
export type ScoreName = (typeof SCORES)[number]

export type Limits = Readonly<Record<ScoreName, number>>

export interface Separation {
  /** Chance that an image of this group scores higher than one of the test split, ties counting half; .5 tells nothing. */
  readonly auroc: number
  /** Part of this group above the limit of 99 % of the validation images. */
  readonly aboveLimit: number
}

export interface GroupReport {
  readonly images: number
  readonly separation: Readonly<Record<ScoreName, Separation>>
  /** Part of the images by verdict. */
  readonly verdicts: Readonly<Record<ImageScores['verdict'], number>>
}

/** own  of the split that the group is told from */
export function reportGroup(group: readonly ImageScores[], own: readonly ImageScores[], limits: Limits): GroupReport {
  const share = (isSo: (scores: ImageScores) => boolean): number => group.filter(isSo).length / group.length
  const separate = (name: ScoreName): Separation => ({
    auroc: areaUnderRoc(
      [...group, ...own].map((scores) => scores[name]),
      (image) => image < group.length,
    ),
    aboveLimit: share((scores) => scores[name] > limits[name]),
  })
  const of = (verdict: ImageScores['verdict']): number => share((scores) => scores.verdict === verdict)
  return {
    images: group.length,
    separation: { histogram: separate('histogram'), embedding: separate('embedding'), saturated: separate('saturated'), missingEntropy: separate('missingEntropy') },
    verdicts: { 'in-scope': of('in-scope'), unusual: of('unusual'), 'out-of-scope': of('out-of-scope'), 'not-checked': of('not-checked') },
  }
}
