/** A port of this machine that nobody listens on, for a program that must be told one before it starts. */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/**
 * Drawn from below the range that systems hand out by themselves (Linux from 32768, others from 49152): neither a connection nor a server that asks for any port
 * takes it before the program has begun to listen. A port that was asked for as any, closed, and told to a program was taken in between once in some gates.
 */
const FIRST = 20_000
const END = 32_768

export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END)
    if (await isFree(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  try {
    probe.listen(port, '127.0.0.1')
    await once(probe, 'listening')
  } catch {
    return false
  }
  probe.close()
  await once(probe, 'close')
  return true
}
