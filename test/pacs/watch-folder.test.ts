import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Problem } from '../../src/domain/problem.ts'
import { type Watch, watchFolder } from '../../src/pacs/watch-folder.ts'

describe('a watched folder', () => {
  let folder: string
  let watch: Watch
  let accepted: string[]
  let problems: Error[]

  const start = async (pollMs = 20): Promise<void> => {
    watch = await watchFolder({
      folder,
      pollMs,
      maxFileBytes: 100,
      accept: async (bytes) => {
        const problem = problems.shift()
        if (problem !== undefined) throw problem
        accepted.push(Buffer.from(bytes).toString())
      },
      log: { info() {}, warn() {}, error() {} },
    })
  }
  const there = (...path: readonly string[]): boolean => existsSync(join(folder, ...path))

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'attending-watch-'))
    accepted = []
    problems = []
  })
  afterEach(async () => {
    await watch.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  it('accepts a file and moves it aside', async () => {
    writeFileSync(join(folder, 'a.dcm'), 'one')
    await start()
    await expect.poll(() => there('accepted', 'a.dcm')).toBe(true)
    expect([accepted, there('a.dcm')]).toEqual([['one'], false])
  })

  it('takes a file only once it has stopped growing', async () => {
    await start()
    const growing = setInterval(() => appendFileSync(join(folder, 'a.dcm'), '+'), 5)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(accepted).toEqual([])
    clearInterval(growing)
    await expect.poll(() => accepted.length).toBe(1)
    expect(accepted[0]).toMatch(/^\++$/)
  })

  it('leaves hidden and unfinished names, folders and what is too large alone', async () => {
    for (const name of ['.hidden', 'a.part', 'b.TMP', 'c.filepart']) writeFileSync(join(folder, name), 'x')
    writeFileSync(join(folder, 'large'), 'x'.repeat(101))
    await start()
    await expect.poll(() => there('refused', 'large')).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(accepted).toEqual([])
    expect(readdirSync(folder).sort()).toEqual(['.hidden', 'a.part', 'accepted', 'b.TMP', 'c.filepart', 'refused'])
  })

  it('moves aside what is no DICOM, and tries again what could not be taken yet', async () => {
    problems = [new Problem('dicom-not-part10', 'no DICOM', {})]
    writeFileSync(join(folder, 'a'), 'one')
    await start()
    await expect.poll(() => there('refused', 'a')).toBe(true)
    problems = [new Problem('overloaded', 'full', { retryAfterSeconds: 1 }), new Error('disk')]
    writeFileSync(join(folder, 'b'), 'two')
    await expect.poll(() => there('accepted', 'b')).toBe(true)
    expect(accepted).toEqual(['two'])
  })

  it('stops at once, whatever the interval', async () => {
    await start(3_600_000)
    await watch.stop()
  })
})
