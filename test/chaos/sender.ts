/** A server's lives in, numbered instances sent to them by STOW-RS out: each until it is acknowledged, and never after that. */
import { setTimeout as pause } from 'node:timers/promises'
import { buildChestPhantom } from '../../src/demo/chest-phantom.ts'
import { buildMultipart } from '../../src/pacs/multipart.ts'
import type { RunningServer } from '../e2e/support/start-server.ts'

export interface Sender {
  /** Returns when so many are acknowledged, or the server is gone. */
  sendUpTo(server: RunningServer, count: number): Promise<void>
  acknowledged(): number
  /** How often an instance was sent without an acknowledgement. */
  sentAgain(): number
  /** Whether an instance is sent and not yet answered. */
  isWaiting(): boolean
}

export function createSender(): Sender {
  let [acknowledged, sentAgain, isWaiting] = [0, 0, false]
  return {
    async sendUpTo(server, count) {
      while (acknowledged < count) {
        isWaiting = true
        const status = await store(server.url, acknowledged)
        isWaiting = false
        if (status === 200) acknowledged++
        else {
          sentAgain++
          await pause(50)
          if (isGone(server)) return
        }
      }
    },
    acknowledged: () => acknowledged,
    sentAgain: () => sentAgain,
    isWaiting: () => isWaiting,
  }
}

const isGone = ({ process: { exitCode, signalCode } }: RunningServer): boolean => exitCode !== null || signalCode !== null

/** STOW-RS of one instance; null where no answer comes. */
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
