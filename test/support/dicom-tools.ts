/** Other people's DICOM tools as witnesses: dcmtk, dicom3tools, pydicom. Tests that need one are skipped by name where it is absent. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface ToolResult {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

function run(command: string, args: readonly string[]): ToolResult {
  const { status, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], DCMDICTPATH: process.env['DCMDICTPATH'] ?? '/usr/share/libdcmtk17/dicom.dic' },
  })
  return { status: status ?? -1, stdout, stderr }
}

const exists = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

export const hasDcmtk = exists('dcmdump') && exists('dsrdump')
export const hasDciodvfy = exists('dciodvfy')
export const hasPydicom = spawnSync('/usr/bin/python3', ['-c', 'import pydicom, numpy']).status === 0

/** What `use` returns, given the path of a temporary file with these bytes. */
export function withFile<T>(bytes: Uint8Array, use: (path: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'attending-dicom-'))
  try {
    const path = join(folder, 'object.dcm')
    writeFileSync(path, bytes)
    return use(path)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A tool of dcmtk or dicom3tools run on the bytes. */
export const runOn = (bytes: Uint8Array, command: string, ...args: readonly string[]): ToolResult => withFile(bytes, (path) => run(command, [...args, path]))

/** The lines in which dciodvfy calls the object wrong. */
export function dciodvfyErrors(bytes: Uint8Array): string[] {
  const { stderr } = runOn(bytes, 'dciodvfy')
  return stderr.split('\n').filter((line) => line.startsWith('Error'))
}

/** What a Python program prints, as JSON; it finds the read dataset in `ds` and NumPy in `np`. */
export function pydicomReads(bytes: Uint8Array, expression: string): unknown {
  const program = `import sys, json, pydicom, numpy as np\nds = pydicom.dcmread(sys.argv[1])\nprint(json.dumps(${expression}))`
  const { status, stdout, stderr } = withFile(bytes, (path) => run('/usr/bin/python3', ['-c', program, path]))
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}
