/** A network's shape and options: the plain object that a recipe states, a checkpoint carries and a bundle repeats. */

export type NetworkName = 'vit' | 'dcmm-vit' | 'sbm-vit'

/** Options of the degree-corrected mixed-membership attention; the paper's release is the default of `DCMM_RELEASED`. */
export interface DcmmOptions {
  readonly communities: number
  readonly thetaActivation: 'relu' | 'sigmoid' | 'softplus'
  readonly bounded: 'tanh' | 'none'
  readonly symmetricBlock: boolean
  /** 'exclude' zeroes the class token's row and column of the bias. */
  readonly classToken: 'include' | 'exclude'
  readonly initialBiasScale: number
  /** What the degree's bias starts at. */
  readonly initialDegreeBias: number
  readonly entropyWeight: number
}

/** Options of the stochastic block attention. */
export interface SbmOptions {
  readonly communities: number
  /** The exploration floor added to every edge probability. */
  readonly delta: number
  readonly straightThroughClip: number
  readonly densityWeight: number
  readonly classTokenAlwaysOn: boolean
  readonly selfLoop: boolean
}

export interface NetworkConfig {
  readonly network: NetworkName
  /** Pixels, square. */
  readonly imageSize: number
  readonly channels: number
  /** Pixels: the stride of the patch grid. */
  readonly patchSize: number
  /** Pixels that a patch's window reaches into each neighbor; the window's side is patchSize + 2 patchOverlap, zeros outside. */
  readonly patchOverlap: number
  readonly width: number
  readonly depth: number
  readonly heads: number
  readonly mlpRatio: number
  readonly classes: number
  readonly layerNormEps: number
  /** Layers that carry the structure, from 0; empty for the plain network. */
  readonly structuredLayers: readonly number[]
  readonly dcmm: DcmmOptions | null
  readonly sbm: SbmOptions | null
}

/** The options of the authors' released code (spec: models 1.1, 1.3). */
export const DCMM_RELEASED: DcmmOptions = {
  communities: 100,
  thetaActivation: 'relu',
  bounded: 'tanh',
  symmetricBlock: false,
  classToken: 'include',
  initialBiasScale: 10,
  initialDegreeBias: 0,
  entropyWeight: 0.1,
}

/** The options of the authors' released code, with the class token forced on (it has none). */
export const SBM_RELEASED: SbmOptions = {
  communities: 128,
  delta: 0.01,
  straightThroughClip: 1,
  densityWeight: 1e-4,
  classTokenAlwaysOn: true,
  selfLoop: false,
}

/** Patches along one side of the grid. */
export function gridSide(config: NetworkConfig): number {
  return config.imageSize / config.patchSize
}

/** Tokens: the patches and the class token in front. */
export function tokenCount(config: NetworkConfig): number {
  return gridSide(config) ** 2 + 1
}
