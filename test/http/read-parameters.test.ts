import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Problem } from '../../src/domain/problem.ts'
import { createParameterReaders, type ReadParameters } from '../../src/http/read-parameters.ts'
import { openApi } from './support/open-test-server.ts'

const readers = createParameterReaders(openApi)
const reader = (operationId: string): ReadParameters => {
  const read = readers.get(operationId)
  if (read === undefined) throw new Error(operationId)
  return read
}

describe('the parameters of an operation', () => {
  it('come in the type of their schema, with defaults where none is given', () => {
    expect(reader('getMap')({ path: { id: 'a', map: 'b', format: 'png' }, query: { size: '512', alpha: '1', strip: 'true' } })).toEqual({
      id: 'a',
      map: 'b',
      format: 'png',
      style: 'overlay',
      alpha: 1,
      head: undefined,
      class: undefined,
      colormap: undefined,
      size: 512,
      strip: true,
    })
  })

  it('read a number the same way as they would write it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4294967295 }), (seed) => {
        expect(reader('createPrediction')({ path: { model: 'm' }, query: { seed: String(seed) } })['seed']).toBe(seed)
      }),
    )
  })

  it('are a value that fits, or a Problem that names the parameter and never quotes it', () => {
    const quoted = fc.string({ minLength: 3, maxLength: 40 }).filter((text) => !/^[a-z ,.]*$/.test(text))
    fc.assert(
      fc.property(fc.constantFrom('style', 'alpha', 'head', 'colormap', 'size', 'strip'), quoted, (name, value) => {
        try {
          const found = reader('getMap')({ path: { id: 'a', map: 'b', format: 'png' }, query: { [name]: value } })[name]
          expect(String(found).replace(/\.?0+$/, '')).toBe(value.replace(/\.?0+$/, '').replace(/^0+(?=\d)/, ''))
        } catch (error) {
          if (!(error instanceof Problem)) throw error
          expect(error.facts).toEqual({ parameter: name })
          expect(error.message).not.toContain(value)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
