/** A folder in, a place for a run's files out: each is written beside its name first and then renamed, so that none is ever half there. */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Problem } from '../../src/domain/problem.ts'
import { type Checkpoint, readCheckpoint, writeCheckpoint } from '../checkpoint.ts'

/** `model` is what the recipe selects; the others are what it was selected from. */
export type CheckpointName = 'model' | 'best' | 'averaged' | 'last'

export interface RunStore {
  /** Whether a state was saved. */
  hasState(): boolean
  /** Throws: "checkpoint-invalid" where none was saved. */
  readState(): Uint8Array
  writeState(bytes: Uint8Array): void
  readCheckpoint(name: CheckpointName): Checkpoint
  writeCheckpoint(name: CheckpointName, checkpoint: Checkpoint): void
}

/** The store of a folder, which is made where it is missing. */
export function openRunStore(folder: string): RunStore {
  mkdirSync(folder, { recursive: true })
  const stateFile = join(folder, 'state.safetensors')
  const checkpointFile = (name: CheckpointName): string => join(folder, `${name}.safetensors`)
  return {
    hasState: () => existsSync(stateFile),
    readState() {
      if (!existsSync(stateFile)) throw new Problem('checkpoint-invalid', 'the folder holds no saved state to resume', {})
      return readFileSync(stateFile)
    },
    writeState: (bytes) => writeWhole(stateFile, bytes),
    readCheckpoint: (name) => readCheckpoint(readFileSync(checkpointFile(name))),
    writeCheckpoint: (name, checkpoint) => writeWhole(checkpointFile(name), writeCheckpoint(checkpoint)),
  }
}

function writeWhole(file: string, bytes: Uint8Array): void {
  const temporary = `${file}.tmp`
  const handle = openSync(temporary, 'w')
  try {
    for (let written = 0; written < bytes.length; ) written += writeSync(handle, bytes, written)
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
  renameSync(temporary, file)
}
