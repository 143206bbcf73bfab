/** An address in, its answer out: asked again where the connection broke, since a kept one may be closed just as it is used again. */
import { setTimeout as pause } from 'node:timers/promises'

const TRIES = 5

export async function getBytes(url: string): Promise<Uint8Array> {
  for (let tries = 1; ; tries++) {
    try {
      return new Uint8Array(await (await fetch(url)).arrayBuffer())
    } catch (error) {
      if (tries === TRIES) throw error
      await pause(100)
    }
  }
}

export async function getJson<T>(url: string): Promise<T> {
  return JSON.parse(Buffer.from(await getBytes(url)).toString()) as T
}
