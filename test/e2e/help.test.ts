import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = resolve(import.meta.dirname, '../..')
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }

/** These take no options of ours. */
const WITHOUT_OPTIONS = ['start', 'test', 'check', 'fix']

describe('every command', () => {
  it.each(Object.entries(scripts).filter(([name]) => !WITHOUT_OPTIONS.includes(name)))('%s says with --help how it is called, and changes nothing', (name, command) => {
    const [, , script = '', ...args] = command.split(' ')
    const { status, stdout } = spawnSync(process.execPath, [script, ...args, '--help'], { cwd: ROOT, encoding: 'utf8' })
    expect({ status, start: stdout.slice(0, `npm run ${name}`.length) }).toEqual({ status: 0, start: `npm run ${name}` })
  })
})
