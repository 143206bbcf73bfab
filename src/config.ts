/** The environment in, one frozen Config out: every setting of the deployment, parsed once. */
import { z } from 'zod'
import { Problem } from './domain/problem.ts'

const PREFIX = 'ATTENDING_'
const MIB = 1024 * 1024

interface Setting<T> {
  /** The variable. */
  readonly name: string
  /** As it would be written in the environment. */
  readonly defaultText: string
  readonly meaning: string
  readonly schema: z.ZodType<T, string>
}

const setting = <T>(name: string, defaultText: string, schema: z.ZodType<T, string>, meaning: string): Setting<T> => ({ name: PREFIX + name, defaultText, meaning, schema })

const integer = (min: number, max: number): z.ZodType<number, string> =>
  z
    .string()
    .regex(/^\d{1,15}$/, `must be a whole number from ${min} to ${max}`)
    .transform(Number)
    .refine((value) => value >= min && value <= max, `must be a whole number from ${min} to ${max}`)
const flag: z.ZodType<boolean, string> = z.enum(['true', 'false'], 'must be true or false').transform((text) => text === 'true')
const text: z.ZodType<string, string> = z.string().min(1, 'must not be empty').max(1024, 'is too long')

/** Stands for the number of the machine's cores. */
const CORES = 'cores'
/** Stands for a file that there is not. */
const NONE = 'none'
/** Stands for the database inside the process. */
const EMBEDDED = 'embedded'

const SETTINGS = {
  host: setting(
    'HOST',
    '127.0.0.1',
    text,
    'Address to listen on. One that is not of loopback needs `ATTENDING_ALLOW_REMOTE=true`, as does the DIMSE receiver of the gateway file.',
  ),
  port: setting('PORT', '8080', integer(0, 65535), 'Port to listen on; 0 takes a free one and prints it.'),
  allowRemote: setting('ALLOW_REMOTE', 'false', flag, 'Whether other machines may reach the server, which asks nobody who they are: put it behind something that does.'),
  dataDir: setting('DATA_DIR', 'data', text, 'Folder of kept predictions, made where missing. A relative path starts at the project.'),
  modelsDir: setting('MODELS_DIR', 'models/released', text, 'Folder of released bundles, read only. A relative path starts at the project.'),
  trustedKeys: setting(
    'TRUSTED_KEYS',
    NONE,
    text.transform((value) => (value === NONE ? [] : value.split(',').map((key) => key.trim()))),
    'Public keys (ed25519, base64, with commas between) that sign bundles; then only signed ones are loaded. `none` takes unsigned ones too.',
  ),
  engines: setting(
    'ENGINES',
    CORES,
    z
      .union([z.literal(CORES), z.string().regex(/^[1-9]\d{0,2}$/)], 'must be cores, or a whole number from 1 to 999')
      .transform((value) => (value === CORES ? null : Number(value))),
    'Engine processes; `cores` is one for each core. Each holds every model in memory.',
  ),
  queueLimit: setting('QUEUE_LIMIT', '32', integer(0, 10_000), 'Requests that may wait for an engine; one more is answered 429.'),
  deadlineMs: setting(
    'DEADLINE_MS',
    '30000',
    integer(100, 3_600_000),
    'Milliseconds from asking an engine to its answer, the wait included; then 503. Each further frame of an instance has as long.',
  ),
  explanationsAtOnce: setting(
    'EXPLANATIONS_AT_ONCE',
    '1',
    integer(1, 64),
    'Explanations of many forward passes (occlusion, RISE) at work at the same time; each has one engine for a few images, then lets others go first.',
  ),
  explanationQueueLimit: setting('EXPLANATION_QUEUE_LIMIT', '16', integer(0, 10_000), 'Explanations that may wait; one more is answered 429.'),
  explanationDeadlineMs: setting('EXPLANATION_DEADLINE_MS', '600000', integer(100, 86_400_000), 'Milliseconds that an explanation may be at work; then it has failed.'),
  drainMs: setting('DRAIN_MS', '30000', integer(0, 3_600_000), 'Milliseconds that a stopping server gives the requests that it has taken.'),
  maxBodyBytes: setting('MAX_BODY_BYTES', String(64 * MIB), integer(1024, 2048 * MIB), 'Bytes of one image; more is answered 413.'),
  maxBufferedBytes: setting('MAX_BUFFERED_BYTES', String(512 * MIB), integer(1024, 1024 * 1024 * MIB), 'Bytes of the images of all requests together; more is answered 429.'),
  retentionHours: setting('RETENTION_HOURS', '24', integer(1, 8760), 'Hours that a prediction is kept; then 410.'),
  maxKeptBytes: setting(
    'MAX_KEPT_BYTES',
    String(10 * 1024 * MIB),
    integer(1024, 1024 * 1024 * 1024 * MIB),
    'Bytes of kept predictions on disk; past that the oldest go before their time.',
  ),
  deviceSerial: setting(
    'DEVICE_SERIAL',
    'attending',
    text.refine((value) => value.length <= 64, 'must have 64 characters at most'),
    'Name of this installation in the DICOM objects that it makes (Device Serial Number).',
  ),
  gatewayFile: setting(
    'GATEWAY_FILE',
    NONE,
    text.transform((value) => (value === NONE ? null : value)),
    'File of doors, archives and rules (`docs/pacs.md`); `none` keeps the gateway closed, and with it jobs. A relative path starts at the project.',
  ),
  queueDir: setting(
    'QUEUE_DIR',
    'queue',
    text,
    'Folder of images and results that jobs still need. Servers that share a database share it too. A relative path starts at the data folder.',
  ),
  databaseUrl: {
    name: 'DATABASE_URL',
    defaultText: EMBEDDED,
    meaning: 'PostgreSQL server (`postgresql://…`) of the jobs; `embedded` is one inside the process, its files in the data folder.',
    schema: text.transform((value) => (value === EMBEDDED ? null : value)),
  },
  logLevel: setting(
    'LOG_LEVEL',
    'info',
    z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'silent'], 'must be one of fatal, error, warn, info, debug, silent'),
    'What is logged.',
  ),
} as const

type Settings = typeof SETTINGS
type Parsed = { readonly [Key in keyof Settings]: Settings[Key] extends Setting<infer T> ? T : never }
export type Config = Omit<Parsed, 'engines'> & { readonly engines: number }

/**
 * The settings of this deployment.
 *
 * cores  what `ATTENDING_ENGINES=cores` stands for
 *
 * Throws: "settings-invalid" for a value that doesn't fit, a variable of our prefix that is none of ours, and an address beyond loopback without its flag.
 */
export function readConfig(environment: Readonly<Record<string, string | undefined>>, cores: number): Config {
  refuseUnknown(environment)
  const parsed = Object.fromEntries(Object.entries(SETTINGS).map(([key, each]) => [key, parseSetting(each, environment[each.name])])) as unknown as Parsed
  const config: Config = { ...parsed, engines: parsed.engines ?? cores }
  refuseRemote(config, config.host, SETTINGS.host.name)
  if (config.maxBufferedBytes < config.maxBodyBytes) {
    throw new Problem('settings-invalid', `${SETTINGS.maxBufferedBytes.name} must not be below ${SETTINGS.maxBodyBytes.name}`, { setting: SETTINGS.maxBufferedBytes.name })
  }
  return Object.freeze(config)
}

/**
 * Refuses an address that other machines reach, unless the operator said that they may.
 *
 * named  which setting, or which part of one, has the address
 *
 * Throws: "settings-invalid".
 */
export function refuseRemote({ allowRemote }: Pick<Config, 'allowRemote'>, host: string, named: string): void {
  if (allowRemote || isLoopback(host)) return
  const detail = `${named} is not of loopback, and this server asks nobody who they are: set ${SETTINGS.allowRemote.name}=true to allow it all the same`
  throw new Problem('settings-invalid', detail, { setting: named })
}

function refuseUnknown(environment: Readonly<Record<string, string | undefined>>): void {
  const known = Object.values(SETTINGS).map(({ name }) => name)
  const unknown = Object.keys(environment).find((name) => name.startsWith(PREFIX) && !known.includes(name))
  if (unknown !== undefined) throw new Problem('settings-invalid', `${unknown} is no setting; the settings are ${known.join(', ')}`, { setting: unknown })
}

function parseSetting({ name, defaultText, schema }: Setting<unknown>, value: string | undefined): unknown {
  const parsed = schema.safeParse(value ?? defaultText)
  if (parsed.success) return parsed.data
  throw new Problem('settings-invalid', `${name} ${parsed.error.issues[0]?.message ?? 'is not valid'}`, { setting: name })
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

/** The table of docs/settings.md: one row a setting. */
export function settingsTable(): string {
  const rows = Object.values(SETTINGS).map(({ name, defaultText, meaning }) => `| \`${name}\` | \`${defaultText}\` | ${meaning} |`)
  return ['| variable | default | meaning |', '|---|---|---|', ...rows].join('\n')
}
