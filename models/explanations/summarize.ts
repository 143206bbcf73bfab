/** Measures of many images in, one summary of each map out. */
import { type Faithfulness, type FaithfulnessByBaseline, type ImageMeasures, type MapMeasures, type Placed, RANDOM_ORDERS, SHUFFLES, THRESHOLDS } from './measure-image.ts'

const BASELINES = ['mean', 'blur'] as const

export interface CurveSummary extends Faithfulness {
  /** Part of the images on which the map's order is better than the mean of the random ones. */
  readonly deletionBeatsRandom: number
  readonly insertionBeatsRandom: number
}

export interface PlaceSummary {
  /** Those that have a region. */
  readonly images: number
  readonly pointing: number
  readonly massAccuracy: number
  readonly rankAccuracy: number
  readonly averagePrecision: number
  /** The regions' mean share of the image: what chance gives for each of the above. */
  readonly chance: number
  /** At the threshold that was chosen on the validation split; null on that split itself. */
  readonly iou: number | null
  /** The part of the map's largest value at which `iou` was taken. */
  readonly iouThreshold: number | null
  /** At the best threshold for these very images: an upper bound, not a result. */
  readonly bestThresholdIouUpperBound: number
}

export interface MapSummary {
  readonly classSpecific: boolean
  /** A map that is the same for every class can't say where one is seen: it fails by its making. */
  readonly classTest: 'fails: the same map for every class' | 'differs between classes'
  /** Mean correlation of the maps of the two likeliest classes; null where one was flat on every image. */
  readonly correlationAcrossClasses: number | null
  /** Mean part of the map on patches that show nothing; null of maps that are not read as "where". */
  readonly blankShare: number | null
  /** Null where no curves were asked for. */
  readonly faithfulness: Readonly<Record<(typeof BASELINES)[number], CurveSummary>> | null
  /** Null without annotation. */
  readonly localization: PlaceSummary | null
}

export interface Summary {
  readonly images: number
  /** Those with deletion and insertion. */
  readonly curveImages: number
  readonly random: ({ readonly orders: number } & FaithfulnessByBaseline) | null
  readonly maps: Readonly<Record<string, MapSummary>>
  /** Mean rank correlation of each compared pair of maps. */
  readonly agreement: Readonly<Record<string, number>>
  readonly communities: { readonly shuffles: number; readonly meanCount: number; readonly meanZScore: number } | null
}

/** The index into THRESHOLDS that each map's IoU is taken at, chosen on other images. */
export type ThresholdOf = (map: string) => number | null

/** Each map by its name, the random orders, agreement and communities, as means over the images. */
export function summarize(images: readonly ImageMeasures[], thresholdOf: ThresholdOf = () => null): Summary {
  const names = images[0]?.maps.map(({ name }) => name) ?? []
  const communities = images.flatMap((image) => (image.communities === null ? [] : [image.communities]))
  const random = images.flatMap((image) => (image.random === null ? [] : [image.random]))
  return {
    images: images.length,
    curveImages: random.length,
    random: random.length === 0 ? null : { orders: RANDOM_ORDERS, mean: meanFaithfulness(random.map(({ mean }) => mean)), blur: meanFaithfulness(random.map(({ blur }) => blur)) },
    maps: Object.fromEntries(names.map((name) => [name, summaryOf(name, images, thresholdOf(name))])),
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

function summaryOf(name: string, images: readonly ImageMeasures[], threshold: number | null): MapSummary {
  const pairs = images.flatMap((image) => image.maps.filter((map) => map.name === name).map((map) => ({ map, random: image.random })))
  const measures: readonly MapMeasures[] = pairs.map(({ map }) => map)
  const across = measures.flatMap(({ acrossClasses }) => (acrossClasses === null ? [] : [acrossClasses]))
  const curves = pairs.flatMap(({ map: { faithfulness }, random }) => (faithfulness === null || random === null ? [] : [{ faithfulness, random }]))
  const classSpecific = measures.some((map) => map.classSpecific)
  const blank = measures.flatMap(({ blankShare }) => (blankShare === null ? [] : [blankShare]))
  return {
    classSpecific,
    classTest: classSpecific ? 'differs between classes' : 'fails: the same map for every class',
    correlationAcrossClasses: across.length === 0 ? null : meanOf(across),
    blankShare: blank.length === 0 ? null : meanOf(blank),
    faithfulness: curves.length === 0 ? null : { mean: curveSummary(curves, 'mean'), blur: curveSummary(curves, 'blur') },
    localization: summarizePlaces(
      measures.flatMap(({ placed }) => (placed === null ? [] : [placed])),
      threshold,
    ),
  }
}

function curveSummary(curves: readonly { readonly faithfulness: FaithfulnessByBaseline; readonly random: FaithfulnessByBaseline }[], baseline: 'mean' | 'blur'): CurveSummary {
  return {
    ...meanFaithfulness(curves.map(({ faithfulness }) => faithfulness[baseline])),
    deletionBeatsRandom: shareOf(curves, ({ faithfulness, random }) => faithfulness[baseline].deletion < random[baseline].deletion),
    insertionBeatsRandom: shareOf(curves, ({ faithfulness, random }) => faithfulness[baseline].insertion > random[baseline].insertion),
  }
}

function meanFaithfulness(list: readonly Faithfulness[]): Faithfulness {
  return { deletion: meanOf(list.map(({ deletion }) => deletion)), insertion: meanOf(list.map(({ insertion }) => insertion)) }
}

/** Insertion minus deletion, the mean of both baselines: what an order is worth. */
export function gapOf({ mean, blur }: FaithfulnessByBaseline): number {
  return (mean.insertion - mean.deletion + blur.insertion - blur.deletion) / 2
}

/** Means over the images that have a region; null without any. */
export function summarizePlaces(places: readonly Placed[], threshold: number | null = null): PlaceSummary | null {
  if (places.length === 0) return null
  const overlaps = meanOverlaps(places)
  return {
    images: places.length,
    pointing: shareOf(places, ({ found }) => found.isHit),
    massAccuracy: meanOf(places.map(({ found }) => found.massAccuracy)),
    rankAccuracy: meanOf(places.map(({ found }) => found.rankAccuracy)),
    averagePrecision: meanOf(places.map(({ found }) => found.averagePrecision)),
    chance: meanOf(places.map(({ found }) => found.regionShare)),
    iou: threshold === null ? null : (overlaps[threshold] ?? null),
    iouThreshold: threshold === null ? null : (THRESHOLDS[threshold] ?? null),
    bestThresholdIouUpperBound: Math.max(...overlaps),
  }
}

/** The index into THRESHOLDS of the largest mean IoU, of equal ones the first; null without any image. */
export function bestThreshold(places: readonly Placed[]): number | null {
  if (places.length === 0) return null
  const overlaps = meanOverlaps(places)
  return overlaps.indexOf(Math.max(...overlaps))
}

/** The same for one map of many images. */
export function bestThresholdOf(images: readonly ImageMeasures[], name: string): number | null {
  return bestThreshold(images.flatMap(({ maps }) => maps.flatMap((map) => (map.name === name && map.placed !== null ? [map.placed] : []))))
}

function meanOverlaps(places: readonly Placed[]): readonly number[] {
  return THRESHOLDS.map((_, i) => meanOf(places.map(({ overlaps }) => overlaps[i] ?? 0)))
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
