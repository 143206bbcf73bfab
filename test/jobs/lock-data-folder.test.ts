import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { lockDataFolder } from '../../src/jobs/lock-data-folder.ts'

const holder = { processId: 4711, host: 'ward-3', since: '2026-01-01T00:00:00.000Z' }

describe('the lock of the data folder', () => {
  let folder: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'attending-lock-'))
  })

  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  it('refuses a second user and names the first', async () => {
    const lock = await lockDataFolder(folder, holder)
    await expect(lockDataFolder(folder, holder)).rejects.toMatchObject({
      code: 'settings-invalid',
      facts: { setting: 'ATTENDING_DATA_DIR' },
      message: expect.stringContaining('process 4711 on ward-3 since 2026-01-01T00:00:00.000Z'),
    })
    await lock.release()
  })

  it('can be taken again once released', async () => {
    await (await lockDataFolder(folder, holder)).release()
    const again = await lockDataFolder(folder, holder)
    await again.release()
    // Releasing twice is releasing once.
    await again.release()
  })

  it('is refused while another process has it, and free as soon as that process was killed', async () => {
    const child = fork(join(import.meta.dirname, 'support/hold-lock.ts'), [folder], { stdio: 'ignore', execArgv: [] })
    expect(await once(child, 'message')).toEqual(['locked', undefined])
    await expect(lockDataFolder(folder, holder)).rejects.toMatchObject({ message: expect.stringContaining(`process ${child.pid} on child`) })
    child.kill('SIGKILL')
    await once(child, 'exit')
    await (await lockDataFolder(folder, holder)).release()
  })
})
