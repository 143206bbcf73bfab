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
