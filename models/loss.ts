/** Logits and targets in, the loss of a batch out. */
import * as tf from '@tensorflow/tfjs'

/**
 * Mean cross-entropy against smoothed targets, in nats; the whole loss is this plus `ForwardResult.regularization`.
 *
 * logits          [batch, class]
 * targets         [batch, class], one-hot or mixed, rows sum to 1
 * labelSmoothing  the share of each target that is spread evenly over all classes
 *
 * Source: Szegedy et al., arXiv:1512.00567, section 7.
 */
export function classificationLoss(logits: tf.Tensor2D, targets: tf.Tensor2D, labelSmoothing: number): tf.Scalar {
  const [, classes] = logits.shape
  const smoothed = tf.add(tf.mul(targets, 1 - labelSmoothing), labelSmoothing / classes)
  return tf.neg(tf.mean(tf.sum(tf.mul(smoothed, tf.logSoftmax(logits, -1)), -1)))
}

/**
 * What `logitAdjustment` adds to the logits in training: [class], `strength` times the logarithm of each class's share of the labels.
 *
 * A class without an image counts as one with half an image, so that every value is finite.
 *
 * Source: Menon et al., arXiv:2007.07314, equation 10.
 */
export function classOffsets(labels: Uint8Array, classes: number, strength: number): Float32Array {
  const counts = new Float64Array(classes)
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1
  return Float32Array.from(counts, (count) => strength * Math.log(Math.max(count, 0.5) / labels.length))
}

/** Keeps the logarithms finite. */
const MEMBERSHIP_FLOOR = 1e-6

/**
 * How badly one community's membership, the mean over heads, tells what readers marked: mean cross-entropy of the patches plus the mean soft Dice loss
 * of the images. The cross-entropy alone makes the membership the expected part of the patch that is marked; Dice keeps few marked patches from drowning.
 *
 * membership  [batch, head, token, community], class token first, rows sum to 1
 * shares      [batch, patch], the part of each patch that is marked; all 0 for an image without a finding
 *
 * Source: Milletari et al., arXiv:1606.04797, section 3, with sums in place of sums of squares and 1 added on both sides, so that an empty mask has a
 * loss of 0 where nothing is claimed.
 */
export function membershipMaskLoss(membership: tf.Tensor4D, shares: tf.Tensor2D, community: number): tf.Scalar {
  const claimed = claimedShares(membership, community) // [batch, patch]
  const inside = tf.mul(shares, tf.log(tf.add(claimed, MEMBERSHIP_FLOOR)))
  const outside = tf.mul(tf.sub(1, shares), tf.log(tf.add(tf.sub(1, claimed), MEMBERSHIP_FLOOR)))
  const crossEntropy = tf.neg(tf.mean(tf.add(inside, outside)))
  const overlap = tf.add(tf.mul(tf.sum(tf.mul(claimed, shares), -1), 2), 1)
  const sizes = tf.add(tf.add(tf.sum(claimed, -1), tf.sum(shares, -1)), 1)
  return tf.add(crossEntropy, tf.mean(tf.sub(1, tf.div(overlap, sizes))))
}

/** One community's membership of every patch, the mean over heads: [batch, patch]; membership [batch, head, token, community], class token first. */
export function claimedShares(membership: tf.Tensor4D, community: number): tf.Tensor2D {
  const [batch, heads, tokens] = membership.shape
  const ofCommunity = tf.slice(membership, [0, 0, 1, community], [batch, heads, tokens - 1, 1])
  return tf.mean(tf.squeeze(ofCommunity, [3]), 1) as tf.Tensor2D
}
