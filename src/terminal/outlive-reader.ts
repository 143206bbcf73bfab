/** Where a command's output goes, watched: a reader that has enough, as `head` has, is no failure. */
import type { Writable } from 'node:stream'

/** The command goes on and ends as it would have: what it writes to files is written, what it started is stopped. Every other failure of the stream stays one. */
export function outliveReader(output: Writable = process.stdout): void {
  output.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
  })
}
