/** What a backbone can carry: no structure, the DCMM's in the setting that stays alive or in the authors' own, the SBM's. */
import { DCMM_RELEASED, type DcmmOptions, type NetworkConfig, SBM_RELEASED } from '../network-config.ts'

/** The part of a network's configuration that is its structure. */
export type Structure = Pick<NetworkConfig, 'network' | 'structuredLayers' | 'dcmm' | 'sbm'>

/** The membership weights' deviation that goes with DCMM_LIVE: wide enough that tokens start in different communities. */
export const LIVE_MEMBERSHIP_DEVIATION = 1

/**
 * The community embeddings' deviation with which an SBM's edges differ from the start: mask SDs of .05 to .13 in place of .003 to .01 (PneumoniaMNIST, first
 * epoch), at an equal validation loss in the end. Not for the last layer, whose masks reach no logit where the class token is never masked.
 */
export const LIVE_CLUSTER_DEVIATION = 1

/** The departures from the release that keep a DCMM's degrees and communities in use; each was chosen on PneumoniaMNIST's validation split. */
export const DCMM_LIVE: DcmmOptions = {
  communities: 12,
  // The released relu dies: whole images with a degree of exactly zero, and then no gradient brings it back. Softplus keeps it alive.
  thetaActivation: 'softplus',
  bounded: 'tanh',
  symmetricBlock: false,
  classToken: 'include',
  initialBiasScale: 10,
  // softplus(-0.5) = 0.47: the bias starts between 10 x 0.47^2 x tanh(0.27) = 0.6 and 1.4, felt by the softmax and not ruling it.
  initialDegreeBias: -0.5,
  // The released 0.1 rewards the collapse into one community. Seed 0 on validation, communities in use (and the largest class-token bias):
  // 0.1: 1.1 after 4 epochs; 0.01: 2.2 (2.7) after 3; 0.001: 2.3 (4.2) after 6; 0.0001: 3.4 (6.1) after 12; 0: 5.8 (3.1) after 12 and 5.2 (3.6)
  // at the chosen epoch, at an equal loss.
  entropyWeight: 0,
}

export const NO_STRUCTURE: Structure = { network: 'vit', structuredLayers: [], dcmm: null, sbm: null }

export function liveDcmm(structuredLayers: readonly number[]): Structure {
  return { network: 'dcmm-vit', structuredLayers, dcmm: DCMM_LIVE, sbm: null }
}

/** The authors' activation, scale, start and entropy term; as many communities as the live setting has. */
export function releasedDcmm(structuredLayers: readonly number[]): Structure {
  return { network: 'dcmm-vit', structuredLayers, dcmm: { ...DCMM_RELEASED, communities: DCMM_LIVE.communities }, sbm: null }
}

export function sampledSbm(structuredLayers: readonly number[]): Structure {
  return { network: 'sbm-vit', structuredLayers, dcmm: null, sbm: { ...SBM_RELEASED, communities: 16 } }
}
