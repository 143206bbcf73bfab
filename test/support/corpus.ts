/** Where the DICOM corpus and the data sets lie beside the project, for tests that are skipped by name without them. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

const shared = resolve(import.meta.dirname, '../../../shared')

/** Absent on a user's machine. Where CI is set a missing corpus is a failure: see test/support/corpus.test.ts. */
export const hasCorpus = existsSync(join(shared, 'corpus', 'dicom', 'INDEX.tsv'))
export const hasData = existsSync(join(shared, 'data', 'medmnist', 'SOURCE.md'))

export const corpusFile = (name: string): string => join(shared, 'corpus', 'dicom', name)
export const dataFile = (name: string): string => join(shared, 'data', name)
