/** A data set's id in, the body parts and views of its images out, in DICOM's defined terms: only what the set's own source says. */
import type { Manifest } from '../src/domain/manifest.ts'

type Scope = Required<Pick<Manifest['input'], 'bodyParts' | 'views'>>

/** Kermany et al., Cell 172:1122 (2018): "chest X-ray images (anterior-posterior)". A lung or rib view shows the same part. */
const SCOPES: Readonly<Record<string, Scope>> = {
  pneumoniamnist: { bodyParts: ['CHEST', 'LUNG', 'RIB'], views: ['AP'] },
  breastmnist: { bodyParts: ['BREAST'], views: [] },
  busi128: { bodyParts: ['BREAST'], views: [] },
  braintumor128: { bodyParts: ['BRAIN', 'HEAD'], views: [] },
}

/** Nothing for a set of which nothing is known; sizes of the same set (`pneumoniamnist-64`) included. */
export function scopeOf(dataSetId: string): Scope {
  return SCOPES[dataSetId.replace(/-\d+$/, '')] ?? { bodyParts: [], views: [] }
}
