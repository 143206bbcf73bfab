import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KeptPrediction } from '../../src/domain/kept-prediction.ts'
import type { Problem } from '../../src/domain/problem.ts'
import { toArtifacts, toKeptAnswer } from '../../src/http/to-answer.ts'
import { openPredictionFolder, type PredictionFolder } from '../../src/store/prediction-store.ts'
import { samplePrediction } from '../http/support/sample-prediction.ts'

const HOUR_MS = 3_600_000
const START = Date.parse('2026-01-01T00:00:00.000Z')
let folder: string
let nowMs: number
let store: PredictionFolder
const open = (maxBytes = 1_000_000): Promise<PredictionFolder> => openPredictionFolder({ folder, retentionMs: HOUR_MS, maxBytes, now: () => new Date(nowMs) })
beforeEach(async () => {
  folder = join(mkdtempSync(join(tmpdir(), 'attending-store-')), 'predictions')
  nowMs = START
  store = await open()
})
afterEach(() => rmSync(join(folder, '..'), { recursive: true }))

const idOf = (digit: string): string => digit.repeat(32)
const keptOf = (id: string): KeptPrediction => {
  const createdAt = new Date(nowMs).toISOString()
  return {
    answer: toKeptAnswer(samplePrediction, id, createdAt),
    artifacts: toArtifacts(samplePrediction, id, createdAt),
    origin: Uint8Array.of(1, 2, 255),
  }
}
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'found',
    (error: Problem) => error.code,
  )

describe('the prediction folder', () => {
  it('gives back the answer and the artifacts, arrays and all, also after a restart', async () => {
    const kept = keptOf(idOf('a'))
    await store.keep(kept)
    const reopened = await open()
    expect(await reopened.findAnswer(idOf('a'))).toEqual(kept.answer)
    expect(await reopened.findArtifacts(idOf('a'))).toEqual(kept.artifacts)
    expect(Uint8Array.from((await reopened.findOrigin(idOf('a'))) ?? [])).toEqual(kept.origin)
  })

  it('lets only its own user read what it keeps', async () => {
    await store.keep(keptOf(idOf('a')))
    const place = join(folder, 'live', idOf('a'))
    expect(readdirSync(place).sort()).toEqual(['answer.json', 'arrays.bin', 'artifacts.json', 'origin.bin'])
    for (const name of readdirSync(place)) expect(statSync(join(place, name)).mode & 0o777).toBe(0o600)
    for (const path of [place, join(folder, 'live'), folder]) expect(statSync(path).mode & 0o777).toBe(0o700)
  })

  it('never keeps two predictions under one id', async () => {
    await store.keep(keptOf(idOf('a')))
    await expect(store.keep(keptOf(idOf('a')))).rejects.toThrow()
    expect(await codeOf(store.findAnswer(idOf('a')))).toBe('found')
  })

  it('calls an id expired from its time on, whether swept or not, and after a restart', async () => {
    await store.keep(keptOf(idOf('a')))
    nowMs = START + HOUR_MS - 1
    expect(await codeOf(store.findAnswer(idOf('a')))).toBe('found')
    expect(await store.sweep()).toBe(0)
    nowMs = START + HOUR_MS
    expect(await codeOf(store.findAnswer(idOf('a')))).toBe('prediction-expired')
    expect(await store.sweep()).toBe(1)
    expect(readdirSync(join(folder, 'live'))).toEqual([])
    expect(await codeOf(store.findArtifacts(idOf('a')))).toBe('prediction-expired')
    expect(await codeOf((await open()).findAnswer(idOf('a')))).toBe('prediction-expired')
  })

  it('sweeps only what is over its time', async () => {
    await store.keep(keptOf(idOf('a')))
    nowMs = START + HOUR_MS / 2
    await store.keep(keptOf(idOf('b')))
    nowMs = START + HOUR_MS
    expect(await store.sweep()).toBe(1)
    expect(await codeOf(store.findAnswer(idOf('b')))).toBe('found')
  })

  it('forgets a tombstone after thirty retention times', async () => {
    await store.keep(keptOf(idOf('a')))
    nowMs = START + HOUR_MS
    await store.sweep()
    nowMs = START + 31 * HOUR_MS
    await store.sweep()
    expect(await codeOf(store.findAnswer(idOf('a')))).toBe('prediction-expired')
    nowMs = START + 31 * HOUR_MS + 1
    await store.sweep()
    expect(await codeOf(store.findAnswer(idOf('a')))).toBe('prediction-unknown')
  })

  it('makes no path of anything but an id of its own kind', async () => {
    mkdirSync(join(folder, 'live', 'x'))
    writeFileSync(join(folder, 'live', 'x', 'answer.json'), '{}')
    for (const id of ['x', '..', '../live/x', '', `${idOf('a')}/`, idOf('A'), `${idOf('a')}\0`, '%2e%2e']) expect(await codeOf(store.findAnswer(id))).toBe('prediction-unknown')
    await expect(store.keep(keptOf('../escape'))).rejects.toThrow('no prediction')
  })

  it('throws away what a crash left half written', async () => {
    mkdirSync(join(folder, 'unfinished', idOf('a')))
    const reopened = await open()
    await reopened.keep(keptOf(idOf('a')))
    expect(readdirSync(join(folder, 'unfinished'))).toEqual([])
  })

  it('knows nothing of a prediction that a power cut left empty, and clears it away at the next start', async () => {
    await store.keep(keptOf(idOf('a')))
    await store.keep(keptOf(idOf('b')))
    writeFileSync(join(folder, 'live', idOf('a'), 'answer.json'), '')
    expect(await codeOf(store.findAnswer(idOf('a')))).toBe('prediction-unknown')
    await open()
    expect(readdirSync(join(folder, 'live'))).toEqual([idOf('b')])
  })

  it('lets the oldest go when there is no more room, the newest never, and counts what it finds at its start', async () => {
    const keepAt = async (into: PredictionFolder, digit: string, minutes: number): Promise<void> => {
      nowMs = START + minutes * 60_000
      await into.keep(keptOf(idOf(digit)))
    }
    await keepAt(store, 'b', 2)
    await keepAt(store, 'a', 1)
    const place = join(folder, 'live', idOf('a'))
    const bytes = readdirSync(place).reduce((sum, name) => sum + statSync(join(place, name)).size, 0)
    const small = await open(2 * bytes)
    await keepAt(small, 'c', 3)
    expect(readdirSync(join(folder, 'live')).sort()).toEqual([idOf('b'), idOf('c')])
    expect(await codeOf(small.findAnswer(idOf('a')))).toBe('prediction-expired')
    const tiny = await open(1)
    expect(readdirSync(join(folder, 'live'))).toEqual([idOf('c')])
    await keepAt(tiny, 'd', 4)
    expect(readdirSync(join(folder, 'live'))).toEqual([idOf('d')])
  })

  it('keeps the age of a tombstone by its own clock', async () => {
    await store.keep(keptOf(idOf('a')))
    nowMs = START + HOUR_MS
    await store.sweep()
    expect(statSync(join(folder, 'expired', idOf('a'))).mtimeMs).toBe(nowMs)
    utimesSync(join(folder, 'expired', idOf('a')), 0, 0)
    await store.sweep()
    expect(await codeOf(store.findAnswer(idOf('a')))).toBe('prediction-unknown')
  })
})
