/**
 * Flags of V8 for every process of the server; launch.mjs and the Dockerfile, which can import nothing, hold the same.
 *
 * The pixels of a picture live for one request, but long enough that V8 begins to place such arrays among the old ones, where only a collection of the
 * whole heap finds them; and in a small heap it begins one at nearly every picture. Half of a prediction's time went there (docs/explanations.md, "Cost").
 */
export const NODE_FLAGS: readonly string[] = ['--no-allocation-site-pretenuring', '--initial-heap-size=256']

/** Those that a process runs with, for the processes that it starts: a Node that does not know them was not given them. */
export function inheritedFlags(execArgv: readonly string[]): string[] {
  return execArgv.filter((flag) => NODE_FLAGS.includes(flag))
}
