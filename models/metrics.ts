/** Logits and labels in, the figures of an evaluation out. Everything here is computed in float64 and knows no library. */
import { Problem } from '../src/domain/problem.ts'
import { mixKey, randomBits } from '../src/tensor/counter-random.ts'
import { type Tensor, tensorOf } from '../src/tensor/tensor.ts'

/** The figures of one split; ece, brier and nll are of the probabilities as they are, not of calibrated ones. */
export interface Metrics {
  readonly images: number
  readonly accuracy: number
  /** One-vs-rest, the mean over the classes; of two classes the usual one. */
  readonly auc: number
  readonly balancedAccuracy: number
  readonly ece: number
  readonly brier: number
  readonly nll: number
}

/** Labels are indices of classes, one an image. */
export type Labels = ArrayLike<number>

/**
 * All figures.
 *
 * logits  [image, class]
 *
 * Throws: "shape-mismatch" where there are not as many labels as rows.
 */
export function metricsOf(logits: Tensor, labels: Labels): Metrics {
  const probabilities = probabilitiesOf(logits)
  const matrix = confusionMatrix(probabilities, labels)
  return {
    images: labels.length,
    accuracy: accuracyOf(matrix),
    auc: meanAuc(probabilities, labels),
    balancedAccuracy: balancedAccuracyOf(matrix),
    ece: expectedCalibrationError(probabilities, labels),
    brier: brierScore(probabilities, labels),
    nll: negativeLogLikelihood(logits, labels, 1),
  }
}

/** Softmax of each row divided by `temperature`: [image, class], rows sum to 1. */
export function probabilitiesOf(logits: Tensor, temperature = 1): Tensor {
  const data = new Float32Array(logits.data.length)
  forEachRow(logits, (row, start) => {
    const scaled = row.map((value) => value / temperature)
    const top = Math.max(...scaled)
    const powers = scaled.map((value) => Math.exp(value - top))
    const sum = powers.reduce((total, value) => total + value, 0)
    powers.forEach((value, i) => {
      data[start + i] = value / sum
    })
  })
  return tensorOf(data, logits.shape)
}

/** Images by [true class][predicted class]; the first of equal probabilities is predicted. */
export function confusionMatrix(probabilities: Tensor, labels: Labels): number[][] {
  checkLabels(probabilities, labels)
  const classes = probabilities.shape[1] ?? 0
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
  forEachRow(probabilities, (row, _, image) => {
    const counts = matrix[labels[image] ?? 0]
    const predicted = row.indexOf(Math.max(...row))
    if (counts) counts[predicted] = (counts[predicted] ?? 0) + 1
  })
  return matrix
}

export function accuracyOf(matrix: readonly (readonly number[])[]): number {
  const correct = matrix.reduce((sum, row, i) => sum + (row[i] ?? 0), 0)
  return correct / matrix.flat().reduce((sum, count) => sum + count, 0)
}

/** Each class' recall; NaN for a class without images. */
export function recallOf(matrix: readonly (readonly number[])[]): number[] {
  return matrix.map((row, i) => (row[i] ?? 0) / row.reduce((sum, count) => sum + count, 0))
}

/** The mean recall over the classes that have images. */
export function balancedAccuracyOf(matrix: readonly (readonly number[])[]): number {
  return meanOf(recallOf(matrix).filter((recall) => !Number.isNaN(recall)))
}

/**
 * The area under the ROC curve: the chance that a positive image ranks above a negative one, ties counting half.
 *
 * By ranks (Mann, Whitney 1947): (sum of the positives' mean ranks - p (p + 1) / 2) / (p n). NaN where one side is empty.
 */
export function areaUnderRoc(scores: ArrayLike<number>, isPositive: (image: number) => boolean): number {
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0))
  let positives = 0
  let rankSum = 0
  for (let start = 0; start < order.length; ) {
    let end = start
    while (end < order.length && scores[order[end] ?? 0] === scores[order[start] ?? 0]) end++
    const tiedPositives = order.slice(start, end).filter(isPositive).length
    positives += tiedPositives
    rankSum += tiedPositives * ((start + 1 + end) / 2) // ranks start + 1 to end
    start = end
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * (order.length - positives))
}

/** One-vs-rest AUC, the mean over the classes that have images of both sides. */
export function meanAuc(probabilities: Tensor, labels: Labels): number {
  checkLabels(probabilities, labels)
  const classes = probabilities.shape[1] ?? 0
  const areas = Array.from({ length: classes }, (_, c) => {
    const scores = Array.from({ length: labels.length }, (_, image) => probabilities.data[image * classes + c] ?? 0)
    return areaUnderRoc(scores, (image) => labels[image] === c)
  })
  return meanOf(areas.filter((area) => !Number.isNaN(area)))
}

/**
 * How far confidence and accuracy lie apart, over bins of equal width of the highest probability, weighted by their images.
 *
 * Source: Guo et al., arXiv:1706.04599, equation 3; 15 bins as there.
 */
export function expectedCalibrationError(probabilities: Tensor, labels: Labels, bins = 15): number {
  checkLabels(probabilities, labels)
  const sums = Array.from({ length: bins }, () => ({ confidence: 0, correct: 0 }))
  forEachRow(probabilities, (row, _, image) => {
    const confidence = Math.max(...row)
    const bin = sums[Math.min(bins - 1, Math.max(0, Math.ceil(confidence * bins) - 1))]
    if (!bin) return
    bin.confidence += confidence
    bin.correct += row.indexOf(confidence) === labels[image] ? 1 : 0
  })
  return sums.reduce((sum, { confidence, correct }) => sum + Math.abs(confidence - correct), 0) / labels.length
}

/** Mean over images of the squared distance between the probabilities and the one-hot truth, summed over classes (Brier 1950): 0 to 2. */
export function brierScore(probabilities: Tensor, labels: Labels): number {
  checkLabels(probabilities, labels)
  let sum = 0
  forEachRow(probabilities, (row, _, image) => {
    row.forEach((probability, c) => {
      sum += (probability - (c === labels[image] ? 1 : 0)) ** 2
    })
  })
  return sum / labels.length
}

/** Mean of -ln of the true class' probability, in nats, of the logits divided by `temperature`. */
export function negativeLogLikelihood(logits: Tensor, labels: Labels, temperature: number): number {
  checkLabels(logits, labels)
  let sum = 0
  forEachRow(logits, (row, _, image) => {
    const scaled = row.map((value) => value / temperature)
    const top = Math.max(...scaled)
    const logSum = top + Math.log(scaled.reduce((total, value) => total + Math.exp(value - top), 0))
    sum += logSum - (scaled[labels[image] ?? 0] ?? 0)
  })
  return sum / labels.length
}

/** The range in which a temperature is sought, as logarithms of e. */
const TEMPERATURE_RANGE = { low: Math.log(0.05), high: Math.log(20) }

/**
 * The temperature with the lowest negative log-likelihood, held in [0.05, 20].
 *
 * The likelihood has one minimum along 1 / temperature, so golden-section search on the logarithm finds it to 1e-6.
 * Source: Guo et al., arXiv:1706.04599, section 4.2. Fit it on the validation split, never on the test split.
 */
export function fitTemperature(logits: Tensor, labels: Labels): number {
  const golden = (Math.sqrt(5) - 1) / 2
  let { low, high } = TEMPERATURE_RANGE
  const lossAt = (logarithm: number): number => negativeLogLikelihood(logits, labels, Math.exp(logarithm))
  while (high - low > 1e-6) {
    const left = high - golden * (high - low)
    const right = low + golden * (high - low)
    if (lossAt(left) < lossAt(right)) high = right
    else low = left
  }
  return Math.exp((low + high) / 2)
}

export interface Interval {
  readonly low: number
  readonly high: number
}

/**
 * The 95 % interval of a proportion.
 *
 * Source: Wilson, JASA 22:209 (1927), the score interval, z = 1.96.
 */
export function wilsonInterval(successes: number, trials: number): Interval {
  const z = 1.959963984540054
  const share = successes / trials
  const center = share + z ** 2 / (2 * trials)
  const spread = z * Math.sqrt((share * (1 - share)) / trials + z ** 2 / (4 * trials ** 2))
  const scale = 1 + z ** 2 / trials
  return { low: (center - spread) / scale, high: (center + spread) / scale }
}

/**
 * The 95 % interval of the mean one-vs-rest AUC: the 2.5th and 97.5th percentile over resamples of the images, drawn with replacement within each class.
 *
 * Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), section 13.3 (percentile method), stratified by class.
 */
export function bootstrapAuc(probabilities: Tensor, labels: Labels, { resamples, seed }: { readonly resamples: number; readonly seed: number }): Interval {
  checkLabels(probabilities, labels)
  const classes = probabilities.shape[1] ?? 0
  const imagesOf = Array.from({ length: classes }, (_, c) => Array.from({ length: labels.length }, (_, i) => i).filter((i) => labels[i] === c))
  const areas = Array.from({ length: resamples }, (_, resample) => {
    const key = mixKey(seed, resample)
    let draws = 0
    const drawn = imagesOf.flatMap((images) => images.map(() => images[randomBits(key, draws++) % images.length] ?? 0))
    const data = Float32Array.from(drawn.flatMap((image) => [...probabilities.data.subarray(image * classes, (image + 1) * classes)]))
    return meanAuc(
      tensorOf(data, [drawn.length, classes]),
      drawn.map((image) => labels[image] ?? 0),
    )
  }).sort((a, b) => a - b)
  return { low: areas[Math.floor(0.025 * resamples)] ?? Number.NaN, high: areas[Math.ceil(0.975 * resamples) - 1] ?? Number.NaN }
}

function checkLabels({ shape }: Tensor, labels: Labels): void {
  if (shape.length !== 2 || shape[0] !== labels.length)
    throw new Problem('shape-mismatch', 'there are not as many labels as rows', { expected: [labels.length, shape[1] ?? 0], actual: shape })
}

function forEachRow({ shape, data }: Tensor, visit: (row: number[], start: number, image: number) => void): void {
  const [images = 0, classes = 0] = shape
  for (let image = 0; image < images; image++) visit([...data.subarray(image * classes, (image + 1) * classes)], image * classes, image)
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
