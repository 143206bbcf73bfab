/** Instances that a C-MOVE of ours made an archive send in, handed to the pull that asked for them out. */

export interface MovedInbox {
  /** Ends after `end`, once all that arrived before is handed out. */
  readonly instances: AsyncIterable<Uint8Array>
  end(): void
  /** Takes no more. */
  close(): void
}

export interface MovedInstances {
  /** Opens an inbox for what the archive of that AE title sends. One pull an archive at a time. */
  expect(archiveAeTitle: string): MovedInbox
  /** Whether a pull waits for it; resolves once the pull has made a durable order of it, so that only then it is acknowledged. */
  offer(archiveAeTitle: string, bytes: Uint8Array): Promise<boolean>
}

interface Waiting {
  readonly bytes: Uint8Array
  readonly taken: (isTaken: boolean) => void
}

export function createMovedInstances(): MovedInstances {
  const inboxes = new Map<string, Inbox>()
  return {
    expect(archiveAeTitle) {
      const inbox = new Inbox(() => inboxes.delete(archiveAeTitle))
      inboxes.set(archiveAeTitle, inbox)
      return inbox
    },
    async offer(archiveAeTitle, bytes) {
      return (await inboxes.get(archiveAeTitle)?.put(bytes)) ?? false
    },
  }
}

class Inbox implements MovedInbox {
  readonly #closed: () => void
  #queue: Waiting[] = []
  #isEnded = false
  #wake: () => void = () => {}

  constructor(closed: () => void) {
    this.#closed = closed
  }

  put(bytes: Uint8Array): Promise<boolean> {
    return new Promise((taken) => {
      this.#queue.push({ bytes, taken })
      this.#wake()
    })
  }

  end(): void {
    this.#isEnded = true
    this.#wake()
  }

  /** What nobody took is taken in as any other instance. */
  close(): void {
    this.#closed()
    for (const { taken } of this.#queue) taken(false)
    this.#queue = []
    this.end()
  }

  get instances(): AsyncIterable<Uint8Array> {
    return this.#drain()
  }

  async *#drain(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const next = this.#queue.shift()
      if (next !== undefined) {
        yield next.bytes
        // The consumer has come back for more: what it was given is safe.
        next.taken(true)
      } else if (this.#isEnded) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
