import { describe, expect, it } from 'vitest'
import { parseDate, parseMask, readFile } from '../../export/command.ts'
import { parseCommand, runCommand } from '../../models/command.ts'

const invalid = (parameter: string) => expect.objectContaining({ code: 'parameter-invalid', facts: { parameter } })

describe('parseMask', () => {
  it.each([
    ['expected', { mode: 'expected' }],
    ['sample', { mode: 'sample' }],
    ['threshold:0.2', { mode: 'threshold', tau: 0.2 }],
    ['topP:1', { mode: 'topP', rho: 1 }],
  ])('reads %s', (text, mask) => {
    expect(parseMask(text)).toEqual(mask)
  })

  it.each(['', 'mean', 'expected:1', 'threshold', 'threshold:x', 'threshold:-1', 'topP:0', 'topP:2'])('refuses "%s"', (text) => {
    expect(() => parseMask(text)).toThrow(invalid('mask'))
  })
})

describe('parseDate', () => {
  it('takes a day or a second, in UTC', () => {
    expect(parseDate('2026-11-25')).toBe('2026-11-25T00:00:00Z')
    expect(parseDate('2026-11-25T03:04:05Z')).toBe('2026-11-25T03:04:05Z')
  })

  it.each(['yesterday', '2026-13-01', '2026-11-25T03:04:05', '2026-11-25T03:04:05+01:00'])('refuses "%s"', (text) => {
    expect(() => parseDate(text)).toThrow(invalid('date'))
  })
})

describe('a command', () => {
  it('refuses an option that it does not have', () => {
    expect(() => parseCommand(['--fast'], { help: { type: 'boolean' } })).toThrow(invalid('options'))
  })

  it('tells a file that cannot be read without repeating its name', () => {
    expect(() => readFile('/nowhere/secret-name', 'checkpoint')).toThrow(expect.objectContaining({ code: 'file-unreadable', message: 'the checkpoint cannot be read' }))
  })

  it('ends with 0 where it is done', async () => {
    expect(await runCommand(() => Promise.resolve(''), [])).toBe(0)
  })
})
