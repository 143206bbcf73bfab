/** A manifest in, where its structure lies and what that lets it touch out. */
import type { Manifest } from '../domain/manifest.ts'

/** The last layer that carries the structure, null for a plain network. */
export function lastStructuredLayer(manifest: Manifest): number | null {
  return manifest.structure?.layers.at(-1) ?? null
}

/** Whether the structure is in the last layer and nowhere else, so that only the class token's row can reach the prediction. */
export function isOnlyInLastLayer(manifest: Manifest): boolean {
  return manifest.structure?.layers.length === 1 && lastStructuredLayer(manifest) === manifest.depth - 1
}

/** Whether the structured layer that maps show is the one that the class token is read from. */
export function isInLastLayer(manifest: Manifest): boolean {
  return lastStructuredLayer(manifest) === manifest.depth - 1
}

/** What every map of the structured layer says of its reach. */
export function reachNote(manifest: Manifest): string {
  if (!isInLastLayer(manifest)) return 'the layer shown is not the last: what its structure does between patches reaches this prediction through later layers'
  const others = isOnlyInLastLayer(manifest) ? 'no other layer has the structure' : 'earlier structured layers also act between patches'
  return `the layer shown is the last: between patches it describes, only the row of the class token reaches this prediction; ${others}`
}

/**
 * Whether only a second run can tell what the network would answer without its structure.
 *
 * Where the last layer alone carries it, the bundle's tail gives the same for a thousandth of the work.
 */
export function needsRunWithoutStructure(manifest: Manifest): boolean {
  if (manifest.structure === null) return false
  const { scores, classTokenScores, values, residual } = manifest.outputs
  const hasTail = manifest.tail !== null && (classTokenScores ?? scores) !== undefined && values !== undefined && residual !== undefined
  return !(hasTail && isOnlyInLastLayer(manifest))
}
