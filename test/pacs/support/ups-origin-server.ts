/** A small UPS-RS origin server, written from PS3.18 section 11 and PS3.4 table CC.1.1-2: it holds performers to the states of a workitem. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'

type Dataset = Record<string, { vr: string; Value?: unknown[] }>

export interface HeldWorkitem {
  state: string
  transactionUid: string | null
  readonly dataset: Dataset
  readonly progress: string[]
  /** Every state that it was in. */
  readonly story: string[]
}

export class UpsOriginServer {
  readonly workitems = new Map<string, HeldWorkitem>()
  /** Answered with 503 while above 0. */
  failures = 0
  /** Below it the services lie. */
  root = ''
  /** As dcm4chee: a state lies at `/state/{requester}`, its requesters are noted, a dataset is an object and its decimal strings are numbers. As PS3.18 has it where null. */
  requesters: string[] | null = null
  readonly #server: Server = createServer((request, response) => {
    void this.#answer(request).then(({ status, body }) =>
      response.writeHead(status, { 'Content-Type': 'application/dicom+json' }).end(body === undefined ? undefined : JSON.stringify(body)),
    )
  })

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${this.root}`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  add(uid: string, label: string, inputs: readonly object[]): HeldWorkitem {
    const dataset: Dataset = { '00080018': { vr: 'UI', Value: [uid] }, '00741204': { vr: 'LO', Value: [label] }, '00404021': { vr: 'SQ', Value: [...inputs] } }
    const item: HeldWorkitem = { state: 'SCHEDULED', transactionUid: null, dataset, progress: [], story: ['SCHEDULED'] }
    this.workitems.set(uid, item)
    return item
  }

  async #answer(request: IncomingMessage): Promise<{ status: number; body?: unknown }> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    if (this.failures > 0) {
      this.failures--
      return { status: 503 }
    }
    const url = new URL(request.url ?? '/', 'http://origin')
    if (!url.pathname.startsWith(`${this.root}/workitems`)) return { status: 404 }
    const [, , uid, part, ...rest] = url.pathname.slice(this.root.length).split('/')
    if (part === 'state' && rest.length !== (this.requesters === null ? 0 : 1)) return { status: 405 }
    this.requesters?.push(...rest)
    if (request.method === 'GET') return this.#search(url.searchParams)
    if (uid === undefined) return this.#create(url.searchParams.get('workitem'), JSON.parse(Buffer.concat(chunks).toString()) as Dataset)
    const item = this.workitems.get(decodeURIComponent(uid ?? ''))
    if (item === undefined) return { status: 404 }
    const sent: unknown = JSON.parse(Buffer.concat(chunks).toString())
    if (Array.isArray(sent) !== (this.requesters === null) || JSON.stringify(sent).includes('"vr":"DS","Value":["')) return { status: 400 }
    const [dataset] = [sent].flat() as [Dataset]
    return part === 'state' ? this.#change(item, dataset) : this.#update(item, dataset, url.searchParams.get('transaction'))
  }

  /** PS3.18 section 11.4, with dcm4chee's name for the parameter. */
  #create(uid: string | null, dataset: Dataset): { status: number } {
    if (uid === null || this.workitems.has(uid) || dataset['00741000']?.Value?.[0] !== 'SCHEDULED') return { status: 409 }
    this.add(uid, String(dataset['00741204']?.Value?.[0]), (dataset['00404021']?.Value ?? []) as object[])
    return { status: 201 }
  }

  #search(query: URLSearchParams): { status: number; body?: unknown } {
    const found = [...this.workitems.values()].filter(
      ({ state, dataset }) => state === query.get('ProcedureStepState') && dataset['00741204']?.Value?.[0] === query.get('WorklistLabel'),
    )
    return found.length === 0 ? { status: 204 } : { status: 200, body: found.map(({ dataset }) => dataset) }
  }

  /** PS3.4 table CC.1.1-2, as far as a performer can meet it. */
  #change(item: HeldWorkitem, dataset: Dataset): { status: number } {
    const [wanted, transaction] = [String(dataset['00741000']?.Value?.[0]), String(dataset['00081195']?.Value?.[0])]
    if (wanted === 'IN PROGRESS') {
      if (item.state !== 'SCHEDULED') return { status: 409 }
      item.transactionUid = transaction
    } else if (item.state !== 'IN PROGRESS' || transaction !== item.transactionUid) return { status: 409 }
    // Final state requirements: performed procedure with station, end and outputs.
    if (wanted === 'COMPLETED' && !isPerformed(item.dataset)) return { status: 409 }
    item.state = wanted
    item.story.push(wanted)
    return { status: 200 }
  }

  #update(item: HeldWorkitem, dataset: Dataset, transaction: string | null): { status: number } {
    if (item.state !== 'IN PROGRESS' || transaction !== item.transactionUid) return { status: 409 }
    Object.assign(item.dataset, dataset)
    const [progress] = (dataset['00741002']?.Value ?? []) as Dataset[]
    if (progress?.['00741004'] !== undefined) item.progress.push(String(progress['00741004'].Value?.[0]))
    return { status: 200 }
  }
}

function isPerformed(dataset: Dataset): boolean {
  const [performed] = (dataset['00741216']?.Value ?? []) as Dataset[]
  return ['00404028', '00404050', '00404051', '00404019', '00404033'].every((tag) => performed?.[tag]?.Value !== undefined)
}
