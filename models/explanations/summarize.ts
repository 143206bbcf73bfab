/** Measures of many images in, one summary of each map out. */
import { type Faithfulness, type ImageMeasures, type MapMeasures, type Placed, RANDOM_ORDERS, SHUFFLES, THRESHOLDS } from './measure-image.ts'

const BASELINES = ['mean', 'blur'] as const

/** Each map by its name, the random orders, agreement and communities, as means over the images. */
export function summarize(images: readonly ImageMeasures[]): object {
  const names = images[0]?.maps.map(({ name }) => name) ?? []
  const communities = images.flatMap((image) => (image.communities === null ? [] : [image.communities]))
  return {
    random: { orders: RANDOM_ORDERS, ...Object.fromEntries(BASELINES.map((baseline) => [baseline, meanFaithfulness(images.map(({ random }) => random[baseline]))])) },
    maps: Object.fromEntries(names.map((name) => [name, summaryOf(name, images)])),
    agreement: agreementOf(images),
    communities:
      communities.length === 0
        ? null
        : {
            shuffles: SHUFFLES,
            meanCount: meanOf(communities.map(({ count }) => count)),
            meanZScore: meanOf(communities.flatMap(({ zScore }) => (zScore === null ? [] : [zScore]))),
          },
  }
}

function summaryOf(name: string, images: readonly ImageMeasures[]): object {
  const pairs = images.flatMap((image) => image.maps.filter((map) => map.name === name).map((map) => ({ map, random: image.random })))
  const measures: readonly MapMeasures[] = pairs.map(({ map }) => map)
  const across = measures.flatMap(({ acrossClasses }) => (acrossClasses === null ? [] : [acrossClasses]))
  return {
    ...Object.fromEntries(
      BASELINES.map((baseline) => [
        baseline,
        {
          ...meanFaithfulness(measures.map(({ faithfulness }) => faithfulness[baseline])),
          deletionBeatsRandom: shareOf(pairs, ({ map, random }) => map.faithfulness[baseline].deletion < random[baseline].deletion),
          insertionBeatsRandom: shareOf(pairs, ({ map, random }) => map.faithfulness[baseline].insertion > random[baseline].insertion),
        },
      ]),
    ),
    correlationAcrossClasses: across.length === 0 ? null : meanOf(across),
    localization: summarizePlaces(measures.flatMap(({ placed }) => (placed === null ? [] : [placed]))),
  }
}

function meanFaithfulness(list: readonly Faithfulness[]): Faithfulness {
  return { deletion: meanOf(list.map(({ deletion }) => deletion)), insertion: meanOf(list.map(({ insertion }) => insertion)) }
}

/** Means over the images that have a region; null without any. */
export function summarizePlaces(places: readonly Placed[]): object | null {
  if (places.length === 0) return null
  return {
    images: places.length,
    pointing: shareOf(places, ({ found }) => found.isHit),
    massAccuracy: meanOf(places.map(({ found }) => found.massAccuracy)),
    rankAccuracy: meanOf(places.map(({ found }) => found.rankAccuracy)),
    averagePrecision: meanOf(places.map(({ found }) => found.averagePrecision)),
    chance: meanOf(places.map(({ found }) => found.regionShare)),
    // The threshold is chosen on these very images: an upper bound, and named so.
    bestThresholdIouUpperBound: Math.max(...THRESHOLDS.map((_, i) => meanOf(places.map(({ overlaps }) => overlaps[i] ?? 0)))),
  }
}

function agreementOf(images: readonly ImageMeasures[]): Readonly<Record<string, number>> {
  const values = new Map<string, number[]>()
  for (const { maps, rankCorrelation } of images.flatMap(({ agreement }) => agreement?.pairs ?? [])) {
    if (rankCorrelation === null) continue
    const pair = maps.join(' and ')
    values.set(pair, [...(values.get(pair) ?? []), rankCorrelation])
  }
  return Object.fromEntries([...values].map(([pair, list]) => [pair, meanOf(list)]))
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function shareOf<T>(values: readonly T[], isCounted: (value: T) => boolean): number {
  return values.filter(isCounted).length / values.length
}
