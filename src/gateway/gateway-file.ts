/** The gateway file in, checked settings out: which doors are open, which archives are known, how deliveries are retried. */
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { Problem } from '../domain/problem.ts'
import type { DestinationSettings } from '../jobs/open-job-queue.ts'
import type { DicomwebPeer, Peer, PeerAuthentication, PeerTls } from '../pacs/peers.ts'
import { parseRules, type Rules } from '../routing/rules-file.ts'

const name = z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, 'must be 1 to 32 letters, digits, dashes or underscores')
/** PS3.5 table 6.2-1, AE: no backslash, no control characters, at most 16. */
const aeTitle = z.string().regex(/^(?! )[\x20-\x5b\x5d-\x7e]{1,16}(?<! )$/, 'must be an AE title')
const file = z.string().min(1).max(1024)
const port = z.int().min(1).max(65_535)
const seconds = (max: number): z.ZodInt => z.int().min(1).max(max)

const tlsSchema = z.strictObject({ keyFile: file.optional(), certificateFile: file.optional(), authoritiesFile: file.optional() })

/** Secrets come from files, so that this one can be shown. */
const authenticationSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none') }),
  z.strictObject({ kind: z.literal('basic'), user: z.string().regex(/^[^:]{1,128}$/, 'must hold no colon'), passwordFile: file }),
  z.strictObject({ kind: z.literal('bearer'), accessTokenFile: file }),
])

const deliverySchema = z.strictObject({
  concurrency: z.int().min(1).max(64).default(2),
  retryLimit: z.int().min(0).max(1000).default(20),
  // Without a wait the attempts are used up in a moment, and an archive that is gone for a minute leaves every job dead.
  retryDelaySeconds: z.int().min(1, 'must be at least 1: without a wait the attempts are used up at once').max(3600).default(2),
  retryMaxDelaySeconds: seconds(86_400).default(900),
})

const archiveSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('dicomweb'),
    name,
    url: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }),
    authentication: authenticationSchema.default({ kind: 'none' }),
    tls: tlsSchema.optional(),
    timeoutSeconds: seconds(3600).default(60),
    delivery: deliverySchema.prefault({}),
  }),
  z.strictObject({
    kind: z.literal('dimse'),
    name,
    host: z.string().min(1).max(255),
    port,
    aeTitle,
    retrieveBy: z.enum(['move', 'get']).default('move'),
    tls: tlsSchema.optional(),
    timeoutSeconds: seconds(3600).default(60),
    delivery: deliverySchema.prefault({}),
  }),
])

const dimseSchema = z.strictObject({
  host: z.string().min(1).max(255).default('127.0.0.1'),
  port: z.int().min(0).max(65_535).default(11_112),
  peers: z.array(z.strictObject({ aeTitle, addresses: z.array(z.union([z.ipv4(), z.ipv6()])).default([]) })).min(1),
  tls: tlsSchema.optional(),
  maxAssociations: z.int().min(1).max(1000).default(16),
  idleSeconds: seconds(3600).default(30),
})

/** A UPS-RS worklist at one of the archives; its inputs lie at the same or at another one. */
const worklistSchema = z.strictObject({
  name,
  archive: name,
  label: z.string().min(1).max(64),
  pollSeconds: seconds(3600).default(5),
  inputArchive: name.optional(),
  dialect: z.enum(['standard', 'dcm4chee']).default('standard'),
  model: z.string().min(1).max(128).optional(),
  destinations: z.array(name).min(1).optional(),
})

const fileSchema = z.strictObject({
  version: z.literal(1),
  /** Calls and is called by this title. */
  aeTitle: aeTitle.default('ATTENDING'),
  rulesFile: file,
  dimse: dimseSchema.optional(),
  watch: z.array(z.strictObject({ name, folder: file, pollSeconds: seconds(3600).default(2) })).default([]),
  archives: z.array(archiveSchema).default([]),
  worklists: z.array(worklistSchema).default([]),
  maxQueued: z.int().min(1).max(10_000_000).default(10_000),
  maxObjectMegabytes: z.int().min(1).max(2000).default(64),
  retentionHours: z.int().min(1).max(87_600).default(168),
})

export interface DimseDoor {
  readonly host: string
  readonly port: number
  readonly peers: readonly { readonly aeTitle: string; readonly addresses: readonly string[] }[]
  readonly tls: PeerTls | null
  readonly maxAssociations: number
  readonly idleTimeoutMs: number
}

export interface WorklistSettings {
  readonly name: string
  /** The origin server. */
  readonly peer: DicomwebPeer
  /** Workitems of this label are ours to do. */
  readonly label: string
  readonly pollMs: number
  readonly inputArchive: string
  /** null leaves the choice to the rules, as for the destinations. */
  readonly modelId: string | null
  readonly destinations: readonly string[] | null
}

export interface GatewaySettings {
  readonly aeTitle: string
  readonly rules: Rules
  readonly dimse: DimseDoor | null
  readonly watch: readonly { readonly name: string; readonly folder: string; readonly pollMs: number }[]
  readonly archives: readonly Peer[]
  readonly destinations: readonly DestinationSettings[]
  readonly worklists: readonly WorklistSettings[]
  readonly maxQueued: number
  readonly maxObjectBytes: number
  readonly retentionMs: number
}

/**
 * The settings, with every file that they name read. Relative paths start at the gateway file.
 *
 * models  ids that rules may name
 *
 * Throws: "settings-invalid", naming the place in the file.
 */
export async function readGatewayFile(path: string, models: readonly string[]): Promise<GatewaySettings> {
  const folder = dirname(path)
  const parsed = fileSchema.safeParse(parseJson(await readText(path, 'the gateway file')))
  if (!parsed.success) throw invalid(`at ${parsed.error.issues[0]?.path.join('.') || 'its top'}: ${parsed.error.issues[0]?.message ?? 'not valid'}`)
  const { data } = parsed
  const names = data.archives.map((archive) => archive.name)
  if (new Set(names).size < names.length) throw invalid('two archives have the same name')
  const archives = await Promise.all(data.archives.map((archive) => toPeer(folder, data.aeTitle, archive)))
  return {
    aeTitle: data.aeTitle,
    rules: parseRules(await readText(resolve(folder, data.rulesFile), 'the rules file'), { models, destinations: names }),
    dimse: data.dimse === undefined ? null : await toDoor(folder, data.dimse),
    watch: data.watch.map((watch) => ({ name: watch.name, folder: resolve(folder, watch.folder), pollMs: watch.pollSeconds * 1000 })),
    archives,
    destinations: data.archives.map(toDestination),
    worklists: toWorklists(data, archives, models),
    maxQueued: data.maxQueued,
    maxObjectBytes: data.maxObjectMegabytes * 1024 * 1024,
    retentionMs: data.retentionHours * 3_600_000,
  }
}

function toWorklists({ worklists, aeTitle }: z.infer<typeof fileSchema>, archives: readonly Peer[], models: readonly string[]): readonly WorklistSettings[] {
  if (new Set(worklists.map(({ name }) => name)).size < worklists.length) throw invalid('two worklists have the same name')
  const known = (name: string, place: string): Peer => {
    const peer = archives.find((archive) => archive.name === name)
    if (peer === undefined) throw invalid(`at ${place}: no archive has this name`)
    return peer
  }
  return worklists.map(({ name, archive, label, pollSeconds, inputArchive = archive, dialect, model = null, destinations = null }, index) => {
    const place = `worklists.${index}`
    const peer = known(archive, `${place}.archive`)
    if (peer.kind !== 'dicomweb') throw invalid(`at ${place}.archive: a worklist is asked by DICOMweb`)
    known(inputArchive, `${place}.inputArchive`)
    for (const destination of destinations ?? []) known(destination, `${place}.destinations`)
    if (model !== null && !models.includes(model)) throw invalid(`at ${place}.model: there is no such model`)
    const origin = dialect === 'dcm4chee' ? { ...peer, requester: aeTitle } : peer
    return { name, peer: origin, label, pollMs: pollSeconds * 1000, inputArchive, modelId: model, destinations }
  })
}

type Archive = z.infer<typeof archiveSchema>

async function toPeer(folder: string, callingAeTitle: string, archive: Archive): Promise<Peer> {
  const common = { name: archive.name, tls: await readTls(folder, archive.tls), timeoutMs: archive.timeoutSeconds * 1000 }
  if (archive.kind === 'dicomweb') return { ...common, kind: 'dicomweb', url: archive.url, authentication: await readAuthentication(folder, archive.authentication) }
  return { ...common, kind: 'dimse', host: archive.host, port: archive.port, calledAeTitle: archive.aeTitle, callingAeTitle, retrieveBy: archive.retrieveBy }
}

function toDestination({ name, delivery }: Archive): DestinationSettings {
  const { concurrency, retryLimit, retryDelaySeconds, retryMaxDelaySeconds } = delivery
  return { name, concurrency, retry: { limit: retryLimit, delaySeconds: retryDelaySeconds, maxDelaySeconds: retryMaxDelaySeconds } }
}

async function toDoor(folder: string, { host, port: number, peers, tls, maxAssociations, idleSeconds }: z.infer<typeof dimseSchema>): Promise<DimseDoor> {
  return { host, port: number, peers, tls: await readTls(folder, tls), maxAssociations, idleTimeoutMs: idleSeconds * 1000 }
}

async function readAuthentication(folder: string, authentication: z.infer<typeof authenticationSchema>): Promise<PeerAuthentication> {
  if (authentication.kind === 'none') return authentication
  if (authentication.kind === 'bearer') return { kind: 'bearer', accessToken: await readSecret(folder, authentication.accessTokenFile) }
  return { kind: 'basic', user: authentication.user, password: await readSecret(folder, authentication.passwordFile) }
}

async function readTls(folder: string, tls: z.infer<typeof tlsSchema> | undefined): Promise<PeerTls | null> {
  if (tls === undefined) return null
  const read = async (key: keyof PeerTls, path: string | undefined): Promise<PeerTls> =>
    path === undefined ? {} : { [key]: await readText(resolve(folder, path), 'a certificate or key') }
  return { ...(await read('key', tls.keyFile)), ...(await read('certificate', tls.certificateFile)), ...(await read('authorities', tls.authoritiesFile)) }
}

async function readSecret(folder: string, path: string): Promise<string> {
  return (await readText(resolve(folder, path), 'a secret')).trimEnd()
}

async function readText(path: string, what: string): Promise<string> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    throw new Problem('settings-invalid', `${what} cannot be read`, { setting: 'ATTENDING_GATEWAY_FILE' }, error)
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw invalid('is no JSON document', error)
  }
}

function invalid(detail: string, cause?: unknown): Problem {
  return new Problem('settings-invalid', `the gateway file ${detail}`, { setting: 'ATTENDING_GATEWAY_FILE' }, cause)
}
