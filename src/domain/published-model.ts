/** A released model as the API shows it: its manifest and its card. */
import type { Manifest } from './manifest.ts'

export interface PublishedModel {
  readonly manifest: Manifest
  /** Markdown; null where the bundle brings none. */
  readonly card: string | null
}
