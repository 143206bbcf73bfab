/** What the fuzzed doors have in common: bytes sent in pieces, waits that end, and a thread whose prints are seen. */
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'

const MOST_PIECES = 400

/** Sends each row in pieces of these sizes, over and over, with so many turns of the event loop after each; no sizes send a row whole. */
export async function send(socket: Socket, rows: readonly Uint8Array[], pieceBytes: readonly number[], turns: number): Promise<void> {
  for (const row of rows) {
    for (const piece of cut(row, pieceBytes)) {
      if (!socket.writable) return
      socket.write(piece)
      for (let left = turns; left > 0; left--) await turn()
    }
  }
}

/** Up to MOST_PIECES pieces, and the rest. */
function* cut(bytes: Uint8Array, pieceBytes: readonly number[]): Generator<Uint8Array> {
  let at = 0
  for (let count = 0; count < MOST_PIECES && at < bytes.length && pieceBytes.length > 0; count++) {
    const size = pieceBytes[count % pieceBytes.length]!
    yield bytes.subarray(at, at + size)
    at += size
  }
  if (at < bytes.length) yield bytes.subarray(at)
}

/** What the promise gives, or an error that says `otherwise` once the time is over. */
export async function within<T>(promise: Promise<T>, limitMs: number, otherwise: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${otherwise} after ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** What the thread has printed since the last time, warnings of the runtime included: a library's complaint may hold what a peer sent. */
export function watchTerminal(): () => string {
  let text = ''
  for (const stream of [process.stdout, process.stderr]) {
    stream.write = (chunk: string | Uint8Array): boolean => {
      text += String(chunk)
      return true
    }
  }
  process.on('warning', (warning) => {
    text += String(warning)
  })
  return () => {
    const last = text
    text = ''
    return last
  }
}
