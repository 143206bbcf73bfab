/** Addresses of a server's lives in, numbered instances sent to them by STOW-RS out: each until it is acknowledged, and never after that. */
import { setTimeout as pause } from 'node:timers/promises'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import { buildMultipart } from '../../src/pacs/multipart.ts'

export interface Sender {
  /** Returns when so many are acknowledged, or the server is gone. */
  sendUpTo(url: string, count: number): Promise<void>
  acknowledged(): number
  /** How often an instance was sent without an acknowledgement. */
  sentAgain(): number
  /** Whether an instance is sent and not yet answered. */
  isWaiting(): boolean
}

export function createSender(): Sender {
  let [acknowledged, sentAgain, isWaiting] = [0, 0, false]
  return {
    async sendUpTo(url, count) {
      while (acknowledged < count) {
        isWaiting = true
        const status = await store(url, acknowledged)
        isWaiting = false
        if (status === 200) acknowledged++
        else {
          sentAgain++
          if (status === null) return
          await pause(50)
        }
      }
    },
    acknowledged: () => acknowledged,
    sentAgain: () => sentAgain,
    isWaiting: () => isWaiting,
  }
}

/** STOW-RS of one instance; null where the server is gone. */
async function store(url: string, number: number): Promise<number | null> {
  const instance = buildChestPhantom({ rows: 96, columns: 80, seed: number, opacity: 0.5 })
  const { contentType, body } = buildMultipart([instance], 'chaos-0123456789')
  try {
    const response = await fetch(`${url}/dicom-web/studies`, { method: 'POST', headers: { 'content-type': contentType }, body: new Uint8Array(body) })
    await response.arrayBuffer()
    return response.status
  } catch {
    return null
  }
}
