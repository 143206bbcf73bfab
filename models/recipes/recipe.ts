/** What a training is, whole: the network, the data set it is meant for, and every number of the procedure. A plain object that the checkpoint carries along. */
import type { Augmentation } from '../data/augment.ts'
import type { NetworkConfig } from '../network-config.ts'

export interface TrainingSettings {
  readonly epochs: number
  readonly batchSize: number
  /** AdamW's, at the top of the schedule: linear warm-up, then a cosine down to 0. */
  readonly learningRate: number
  /** Share of all steps. */
  readonly warmupShare: number
  /** Decoupled; on the matrices of linear layers and the patch convolution alone. */
  readonly weightDecay: number
  /** Of the targets, spread evenly over all classes. */
  readonly labelSmoothing: number
  /** Upper bound of the norm of all gradients together. */
  readonly gradientClip: number
  /** Of the exponential average of the weights, a step; 0.99 remembers about 100 steps. */
  readonly averageDecay: number
  /** Chance that the last layer's branches are dropped, rising linearly from 0 in the first. */
  readonly dropPath: number
  /**
   * DCMM only: the standard deviation that the membership weights start with; null leaves the network's own 0.02, with which all tokens start alike
   * and the entropy term can pull them into one community before the task has told them apart.
   */
  readonly initialMembershipDeviation: number | null
  /**
   * SBM only: the standard deviation that the community embeddings start with; left out, the original's, with which every edge is as likely as every
   * other (.25) and stays so: the masks are chance.
   */
  readonly initialClusterDeviation?: number
  /** null leaves the images as they are. */
  readonly augmentation: Augmentation | null
  /**
   * How far the loss of training, not that of validation, makes up for classes of other sizes: this times the logarithm of each class's share of the
   * training split is added to its logit (Menon et al., arXiv:2007.07314, equation 10). At 1 the network answers as if all classes were equally frequent;
   * left out, as if all were as frequent as in training.
   */
  readonly logitAdjustment?: number
  /** Which weights are kept as the model: the averaged ones of the epoch with the lowest validation loss, or of the last epoch. */
  readonly selection: 'lowest-validation-loss' | 'last'
  /** DCMM only: one community's memberships are trained towards masks of the training images; left out, no mask is looked at. */
  readonly maskSupervision?: MaskSupervision
}

export interface MaskSupervision {
  /** What the masks mark; the community is called so. */
  readonly name: string
  /** Along the memberships' last axis, from 0. */
  readonly community: number
  /** Structured layers whose memberships are held against the masks, from 0; the mean over them counts. */
  readonly layers: readonly number[]
  /** Of the masks' loss beside the classification's. */
  readonly weight: number
}

export interface Recipe {
  /** `<network>-<size>-patch<P>-<pixels>.<data>`, as a model's id without its version. */
  readonly name: string
  readonly title: string
  /** The id of the data set that it was made for. */
  readonly dataSet: string
  readonly network: NetworkConfig
  readonly training: TrainingSettings
}
