/** A codec's thread for tests, whose frame's first byte says what it does: hang, throw, end, answer nonsense, or give the frame back with the thread's id behind it. */
import { parentPort, threadId } from 'node:worker_threads'
import type { CodecAnswer, CodecRequest } from '../../src/imaging/codec-thread.ts'

export const DEEDS = { echo: 0, hang: 1, throw: 2, exit: 3, outOfTurn: 4, fail: 5, grow: 6, dieLater: 7 } as const

const say = (answer: CodecAnswer): void => parentPort?.postMessage(answer)

parentPort?.on('message', ({ frame }: CodecRequest) => {
  const decoded = { kind: 'decoded', samples: Uint8Array.of(...frame, threadId), memoryBytes: frame[0] === DEEDS.grow ? 1001 : 1000 } as const
  switch (frame[0]) {
    case DEEDS.hang:
      for (;;);
    case DEEDS.throw:
      throw new Error('thrown in the thread')
    case DEEDS.exit:
      return process.exit(7)
    case DEEDS.outOfTurn:
      return say({ kind: 'ready' })
    case DEEDS.fail:
      return say({ kind: 'failed', reason: 'refused' })
    case DEEDS.dieLater:
      setTimeout(() => {
        throw new Error('thrown while nobody waits')
      })
      return say(decoded)
    default:
      return say(decoded)
  }
})
say({ kind: 'ready' })
