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
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env: { PATH: process.env['PATH'] } })
  return { status: status ?? -1, stdout, stderr }
}

const exists = (command: string): boolean => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

export const hasDcmtk = exists('dcmdump') && exists('dsrdump')
export const hasDciodvfy = exists('dciodvfy')
export const hasPydicom = spawnSync('/usr/bin/python3', ['-c', 'import pydicom, numpy']).status === 0

/** What `use` returns, given the paths of temporary files with these bytes. */
export function withFiles<T>(objects: readonly Uint8Array[], use: (paths: readonly string[]) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'attending-dicom-'))
  try {
    const paths = objects.map((bytes, i) => {
      const path = join(folder, `object-${i}.dcm`)
      writeFileSync(path, bytes)
      return path
    })
    return use(paths)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A tool of dcmtk or dicom3tools run on the bytes. */
export const runOn = (bytes: Uint8Array, command: string, ...args: readonly string[]): ToolResult => withFiles([bytes], (paths) => run(command, [...args, ...paths]))

/** The lines in which dciodvfy calls the object wrong. */
export function dciodvfyErrors(bytes: Uint8Array): string[] {
  const { stderr } = runOn(bytes, 'dciodvfy')
  return stderr.split('\n').filter((line) => line.startsWith('Error'))
}

/** A Python expression's value for the dataset `ds` of each object; NumPy is `np`. One process reads them all. */
export function pydicomReadsEach(objects: readonly Uint8Array[], expression: string): unknown[] {
  const program = `import sys, json, pydicom, numpy as np\nprint(json.dumps([${expression.replaceAll('\n', ' ')} for ds in map(pydicom.dcmread, sys.argv[1:])]))`
  const { status, stdout, stderr } = withFiles(objects, (paths) => run('/usr/bin/python3', ['-W', 'ignore', '-c', program, ...paths]))
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout)
}

export const pydicomReads = (bytes: Uint8Array, expression: string): unknown => pydicomReadsEach([bytes], expression)[0]
