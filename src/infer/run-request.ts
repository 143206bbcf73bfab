/** What one run of a bundle is asked for. */
import type { OutputName } from '../domain/outputs.ts'

export interface RunRequest {
  readonly outputs: readonly OutputName[]
  /** Adds the counterfactual row to the same batch. */
  readonly withoutStructure: boolean
  readonly seed: number
  /** Masks to draw besides (SBM); 0 for none. */
  readonly samples: number
}
