import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readConfig, refuseRemote, settingsTable } from '../src/config.ts'
import type { Problem } from '../src/domain/problem.ts'

const refusal = (environment: Record<string, string>): unknown => {
  try {
    readConfig(environment, 2)
    return 'taken'
  } catch (error) {
    const { code, facts } = error as Problem<'settings-invalid'>
    return [code, facts.setting]
  }
}

describe('the settings', () => {
  it('have safe defaults: loopback, an engine a core, a day of retention', () => {
    expect(readConfig({}, 3)).toEqual({
      host: '127.0.0.1',
      port: 8080,
      allowRemote: false,
      dataDir: 'data',
      modelsDir: 'models/released',
      trustedKeys: [],
      engines: 3,
      queueLimit: 32,
      deadlineMs: 30_000,
      explanationsAtOnce: 1,
      explanationQueueLimit: 16,
      explanationDeadlineMs: 600_000,
      drainMs: 30_000,
      maxBodyBytes: 67_108_864,
      maxBufferedBytes: 536_870_912,
      retentionHours: 24,
      maxKeptBytes: 10_737_418_240,
      deviceSerial: 'attending',
      gatewayFile: null,
      queueDir: 'queue',
      databaseUrl: null,
      logLevel: 'info',
    })
  })

  it.each([
    ['ATTENDING_HOST', 'localhost', { host: 'localhost' }],
    ['ATTENDING_HOST', '127.9.8.7', { host: '127.9.8.7' }],
    ['ATTENDING_HOST', '::1', { host: '::1' }],
    ['ATTENDING_PORT', '0', { port: 0 }],
    ['ATTENDING_DATA_DIR', '/srv/a', { dataDir: '/srv/a' }],
    ['ATTENDING_MODELS_DIR', '/srv/m', { modelsDir: '/srv/m' }],
    ['ATTENDING_TRUSTED_KEYS', 'one, two', { trustedKeys: ['one', 'two'] }],
    ['ATTENDING_ENGINES', '7', { engines: 7 }],
    ['ATTENDING_ENGINES', 'cores', { engines: 2 }],
    ['ATTENDING_QUEUE_LIMIT', '0', { queueLimit: 0 }],
    ['ATTENDING_DEADLINE_MS', '100', { deadlineMs: 100 }],
    ['ATTENDING_EXPLANATIONS_AT_ONCE', '2', { explanationsAtOnce: 2 }],
    ['ATTENDING_EXPLANATION_QUEUE_LIMIT', '0', { explanationQueueLimit: 0 }],
    ['ATTENDING_EXPLANATION_DEADLINE_MS', '5000', { explanationDeadlineMs: 5000 }],
    ['ATTENDING_DRAIN_MS', '0', { drainMs: 0 }],
    ['ATTENDING_MAX_BODY_BYTES', '1024', { maxBodyBytes: 1024 }],
    ['ATTENDING_MAX_BUFFERED_BYTES', '99999999', { maxBufferedBytes: 99_999_999 }],
    ['ATTENDING_RETENTION_HOURS', '1', { retentionHours: 1 }],
    ['ATTENDING_MAX_KEPT_BYTES', '1024', { maxKeptBytes: 1024 }],
    ['ATTENDING_DEVICE_SERIAL', 'site-7', { deviceSerial: 'site-7' }],
    ['ATTENDING_GATEWAY_FILE', 'gateway.json', { gatewayFile: 'gateway.json' }],
    ['ATTENDING_GATEWAY_FILE', 'none', { gatewayFile: null }],
    ['ATTENDING_QUEUE_DIR', '/srv/q', { queueDir: '/srv/q' }],
    ['DATABASE_URL', 'postgresql://db/attending', { databaseUrl: 'postgresql://db/attending' }],
    ['DATABASE_URL', 'embedded', { databaseUrl: null }],
    ['ATTENDING_LOG_LEVEL', 'silent', { logLevel: 'silent' }],
  ])('are turned by %s=%s', (name, value, expected) => {
    expect(readConfig({ [name]: value }, 2)).toMatchObject(expected)
  })

  it('take an address beyond loopback only with the flag that allows it', () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.org', '127.0.0.1.example.org', '128.0.0.1']) {
      expect(refusal({ ATTENDING_HOST: host })).toEqual(['settings-invalid', 'ATTENDING_HOST'])
      expect(readConfig({ ATTENDING_HOST: host, ATTENDING_ALLOW_REMOTE: 'true' }, 2).host).toBe(host)
    }
  })

  it('take a receiver beyond loopback only with the same flag, and say which address is meant', () => {
    const refused = (): void => refuseRemote({ allowRemote: false }, '0.0.0.0', 'dimse.host of the gateway file')
    expect(refused).toThrow(expect.objectContaining({ code: 'settings-invalid', message: expect.stringContaining('dimse.host of the gateway file') }))
    expect(() => refuseRemote({ allowRemote: true }, '0.0.0.0', 'dimse.host')).not.toThrow()
    expect(() => refuseRemote({ allowRemote: false }, '127.0.0.1', 'dimse.host')).not.toThrow()
  })

  it.each([
    ['ATTENDING_PORT', '65536'],
    ['ATTENDING_PORT', '80a'],
    ['ATTENDING_PORT', ''],
    ['ATTENDING_PORT', '-1'],
    ['ATTENDING_ENGINES', '0'],
    ['ATTENDING_ENGINES', 'many'],
    ['ATTENDING_ALLOW_REMOTE', 'yes'],
    ['ATTENDING_DATA_DIR', ''],
    ['ATTENDING_DEADLINE_MS', '99'],
    ['ATTENDING_MAX_BODY_BYTES', '1e9'],
    ['ATTENDING_RETENTION_HOURS', '0.5'],
    ['ATTENDING_LOG_LEVEL', 'verbose'],
    ['ATTENDING_PROT', '8080'],
  ])('refuse %s=%s by its name', (name, value) => {
    expect(refusal({ [name]: value })).toEqual(['settings-invalid', name])
  })

  it('refuse a budget for all bodies below the limit of one', () => {
    expect(refusal({ ATTENDING_MAX_BUFFERED_BYTES: '2048' })).toEqual(['settings-invalid', 'ATTENDING_MAX_BUFFERED_BYTES'])
  })

  it('leave variables of others alone, and are frozen', () => {
    const config = readConfig({ PATH: '/bin', ATTENDINGX: '1' }, 2)
    expect(Object.isFrozen(config)).toBe(true)
  })

  it('stand in docs/settings.md as they are here', () => {
    const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'settings.md'), 'utf8')
    const [, table] = /<!-- settings:begin -->\n([\s\S]*?)\n<!-- settings:end -->/.exec(page) ?? []
    expect(table).toBe(settingsTable())
  })
})
