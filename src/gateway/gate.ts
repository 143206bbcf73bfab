/** Calls in, no more of them under way at a time than may be out; who comes first goes first. */

export interface Gate {
  /** What the call comes to, once it is its turn. Throws the signal's reason where that comes first. */
  pass<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T>
}

export function createGate(places: number): Gate {
  const waiting = new Set<() => void>()
  let free = places
  const leave = (): void => {
    const [next] = waiting
    if (next === undefined) free++
    else next()
  }
  return {
    async pass(call, signal) {
      signal.throwIfAborted()
      if (free > 0) free--
      else await untilCalled(waiting, signal)
      try {
        return await call()
      } finally {
        leave()
      }
    },
  }
}

/** The place is handed over: it is never free in between. */
function untilCalled(waiting: Set<() => void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const enter = (): void => {
      waiting.delete(enter)
      signal.removeEventListener('abort', giveUp)
      resolve()
    }
    const giveUp = (): void => {
      waiting.delete(enter)
      reject(signal.reason)
    }
    waiting.add(enter)
    signal.addEventListener('abort', giveUp, { once: true })
  })
}
