import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { outliveReader } from '../../src/terminal/outlive-reader.ts'

const root = resolve(import.meta.dirname, '../..')

/** A command whose output is closed before it prints: its exit status and what it says on standard error. */
async function withoutReader(...args: readonly string[]): Promise<{ readonly status: number; readonly err: string }> {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.destroy()
  let err = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text
  })
  const [status] = await once(child, 'close')
  return { status, err }
}

describe('a command whose reader has enough', () => {
  it.each([
    ['src/predict.ts'],
    ['src/inspect.ts'],
    ['src/batch.ts'],
    ['src/replay.ts'],
    ['src/rules.ts'],
    ['src/check-artifact.ts'],
    ['src/demo/run.ts'],
    ['models/train.ts'],
    ['models/evaluate.ts'],
    ['export/to-onnx.ts'],
  ])('%s ends without a failure', async (command) => {
    expect(await withoutReader(command, '--help')).toEqual({ status: 0, err: '' })
  })

  it('leaves every other failure of the output what it is', () => {
    const output = new Writable()
    outliveReader(output)
    expect(() => output.emit('error', Object.assign(new Error('no space'), { code: 'ENOSPC' }))).toThrow('no space')
  })
})
