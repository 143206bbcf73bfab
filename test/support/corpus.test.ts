import { describe, expect, it } from 'vitest'
import { hasCorpus, hasData } from './corpus.ts'

describe('the corpus beside the project', () => {
  it.runIf(process.env['CI'] === 'true')('is there where CI is set, so that no conformance test is skipped unseen', () => {
    expect({ hasCorpus, hasData }).toEqual({ hasCorpus: true, hasData: true })
  })
})
