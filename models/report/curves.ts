/** Probabilities and labels in, the points of the curves of an evaluation out. */
import type { Tensor } from '../../src/tensor/tensor.ts'

export type Point = readonly [number, number]

/**
 * The ROC curve of one class against the rest: (1 - specificity, sensitivity) at every threshold, images of equal probability together.
 *
 * probabilities  [image, class]
 */
export function rocPoints({ data, shape }: Tensor, labels: ArrayLike<number>, index: number): readonly Point[] {
  const classes = shape[1] ?? 1
  const images = Array.from({ length: labels.length }, (_, image) => ({ score: data[image * classes + index] ?? 0, isPositive: labels[image] === index })).sort(
    (a, b) => b.score - a.score,
  )
  const positives = images.filter(({ isPositive }) => isPositive).length
  const negatives = images.length - positives
  const points: Point[] = [[0, 0]]
  let [hits, alarms] = [0, 0]
  images.forEach(({ score, isPositive }, i) => {
    if (isPositive) hits++
    else alarms++
    if (images[i + 1]?.score !== score) points.push([alarms / Math.max(1, negatives), hits / Math.max(1, positives)])
  })
  return points
}

/** How often the predicted class was right, by how sure it was: (mean confidence, share right) of each tenth that holds an image. */
export function reliabilityPoints({ data, shape }: Tensor, labels: ArrayLike<number>, bins = 10): readonly Point[] {
  const classes = shape[1] ?? 1
  const sums = Array.from({ length: bins }, () => ({ images: 0, confidence: 0, right: 0 }))
  for (let image = 0; image < labels.length; image++) {
    const row = data.subarray(image * classes, (image + 1) * classes)
    const confidence = Math.max(...row)
    const bin = sums[Math.min(bins - 1, Math.floor(confidence * bins))]
    if (bin === undefined) continue
    bin.images++
    bin.confidence += confidence
    if (row.indexOf(confidence) === labels[image]) bin.right++
  }
  return sums.filter(({ images }) => images > 0).map(({ images, confidence, right }) => [confidence / images, right / images])
}
