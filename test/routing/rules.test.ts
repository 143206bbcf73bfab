import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decideRoute, matches } from '../../src/routing/decide-route.ts'
import { type RoutingFacts, readRoutingFacts } from '../../src/routing/routing-facts.ts'
import { parseRules, type Rules } from '../../src/routing/rules-file.ts'
import { syntheticFile } from '../pacs/support/synthetic-files.ts'

const facts: RoutingFacts = {
  sopClassUid: '1.2.840.10008.5.1.4.1.1.1',
  modality: 'CR',
  bodyPartExamined: 'CHEST',
  viewPosition: 'PA',
  burnedInAnnotation: null,
  numberOfFrames: 1,
  seriesDescription: 'Thorax p.a. im Stehen',
  studyDescription: null,
}
const arrival = { door: 'stow', peer: null }
const predict = { model: 'model-a', destinations: ['pacs'] }
const targets = { models: ['model-a'], destinations: ['pacs'] }
const file = (...rules: readonly object[]): string => JSON.stringify({ version: 1, rules })
const rulesOf = (...rules: readonly object[]): Rules => parseRules(file(...rules), targets)
const decide = (when: object, change: Partial<RoutingFacts> = {}, from: { door: string; peer: string | null } = arrival): string =>
  decideRoute({ ...facts, ...change }, from, rulesOf({ name: 'r', when, action: predict })).decision.kind

describe('decideRoute', () => {
  it.each([
    [{}, {}, 'predict'],
    [{ modality: ['DX', 'CR'] }, {}, 'predict'],
    [{ modality: ['CT'] }, {}, 'skip'],
    [{ modality: ['CR'] }, { modality: null }, 'skip'],
    [{ bodyPartExamined: ['chest'] }, {}, 'predict'],
    [{ bodyPartExamined: ['CH*'] }, { bodyPartExamined: null }, 'skip'],
    [{ seriesDescription: ['*p.a.*'] }, {}, 'predict'],
    [{ seriesDescription: ['lat*'] }, {}, 'skip'],
    [{ viewPosition: ['PA', 'AP'] }, { viewPosition: 'LL' }, 'skip'],
    [{ sopClassUid: ['1.2.840.10008.5.1.4.1.1.1'] }, {}, 'predict'],
    [{ maxFrames: 1 }, { numberOfFrames: 2 }, 'skip'],
    [{ burnedInAnnotation: 'NO' }, {}, 'skip'],
    [{ burnedInAnnotation: 'NO' }, { burnedInAnnotation: 'NO' }, 'predict'],
    [{ burnedInAnnotation: 'YES' }, { burnedInAnnotation: 'YES' }, 'predict'],
    [{ modality: ['CR'], viewPosition: ['LL'] }, {}, 'skip'],
  ])('answers %o on %o with %s', (when, change, kind) => {
    expect(decide(when, change)).toBe(kind)
  })

  it('tells doors and peers apart', () => {
    expect([decide({ door: ['c-store'] }), decide({ door: ['stow'] }), decide({ peer: ['CT1'] }), decide({ peer: ['CT1'] }, {}, { door: 'c-store', peer: 'CT1' })]).toEqual([
      'skip',
      'predict',
      'skip',
      'predict',
    ])
  })

  it('takes the first rule that holds, and explains the ones before it', () => {
    const rules = rulesOf(
      { name: 'ct', when: { modality: ['CT'], door: ['stow'] }, action: predict },
      { name: 'no laterals', when: { modality: ['CR'] }, action: { skip: 'radiographs are not read here' } },
      { name: 'rest', when: {}, action: predict },
    )
    expect(decideRoute(facts, arrival, rules)).toEqual({
      decision: { kind: 'skip', rule: 'no laterals', reason: 'radiographs are not read here' },
      tried: [
        {
          rule: 'ct',
          holds: false,
          conditions: [
            { condition: 'modality', holds: false },
            { condition: 'door', holds: true },
          ],
        },
        { rule: 'no laterals', holds: true, conditions: [{ condition: 'modality', holds: true }] },
      ],
    })
  })

  it.each([
    ['first', [1]],
    ['all', [1, 2, 3]],
    [2, [2]],
  ])('reads frames "%s" of three as %o', (frames, expected) => {
    const { decision } = decideRoute({ ...facts, numberOfFrames: 3 }, arrival, rulesOf({ name: 'r', when: {}, action: { ...predict, frames } }))
    expect(decision).toMatchObject({ kind: 'predict', frames: expected, destinations: ['pacs'] })
  })

  it('skips an instance without the frame that is asked for, and one that no rule takes', () => {
    expect(decideRoute(facts, arrival, rulesOf({ name: 'r', when: {}, action: { ...predict, frames: 2 } })).decision).toEqual({
      kind: 'skip',
      rule: 'r',
      reason: 'it has no frame 2',
    })
    expect(decideRoute(facts, arrival, rulesOf()).decision).toEqual({ kind: 'skip', rule: null, reason: 'none of 0 rules takes it' })
  })
})

describe('matches', () => {
  it('agrees with a regular expression written for the pattern', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ab*?]{0,8}$/), fc.stringMatching(/^[abAB]{0,10}$/), (pattern, text) => {
        const expression = new RegExp(`^${pattern.replaceAll('?', '.').replaceAll(/\*+/g, '.*')}$`, 'i')
        expect(matches(text, pattern)).toBe(expression.test(text))
      }),
      { numRuns: 2000 },
    )
  })
})

describe('parseRules', () => {
  it.each([
    ['no JSON', '{', 'is no JSON document'],
    ['another version', '{"version":2,"rules":[]}', 'at version'],
    ['a misspelt condition', file({ name: 'r', when: { modalty: ['CR'] }, action: predict }), 'at rules.0.when'],
    ['an empty list', file({ name: 'r', when: { modality: [] }, action: predict }), 'at rules.0.when.modality'],
    ['a model that there is not', file({ name: 'r', when: {}, action: { model: 'model-b' } }), 'names a model'],
    ['a destination that there is not', file({ name: 'r', when: {}, action: { model: 'model-a', destinations: ['x'] } }), 'names a destination'],
    ['one name twice', file({ name: 'r', when: {}, action: predict }, { name: 'r', when: {}, action: predict }), 'two rules have the name "r"'],
  ])('refuses %s and says where', (_name, text, place) => {
    expect(() => parseRules(text, targets)).toThrow(expect.objectContaining({ code: 'settings-invalid', message: expect.stringContaining(place) }))
  })
})

describe('readRoutingFacts', () => {
  it('reads the header of a file', () => {
    expect(readRoutingFacts(syntheticFile('1.2.840.10008.5.1.4.1.1.1', '1.2.3'))).toEqual({
      sopClassUid: '1.2.840.10008.5.1.4.1.1.1',
      modality: 'CR',
      bodyPartExamined: null,
      viewPosition: null,
      burnedInAnnotation: null,
      numberOfFrames: 1,
      seriesDescription: null,
      studyDescription: null,
    })
  })
})

describe('npm run rules', () => {
  let folder: string
  const root = resolve(import.meta.dirname, '../..')
  const run = (...args: readonly string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, ['src/rules.ts', ...args], { cwd: root, encoding: 'utf8' })

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'attending-rules-'))
    writeFileSync(join(folder, 'cr.dcm'), syntheticFile('1.2.840.10008.5.1.4.1.1.1', '1.2.3'))
    writeFileSync(
      join(folder, 'rules.json'),
      file({ name: 'chest CT', when: { modality: ['CT'] }, action: predict }, { name: 'radiographs', when: { modality: ['CR', 'DX'] }, action: predict }),
    )
    writeFileSync(join(folder, 'none.json'), file())
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('explains a decision for people', () => {
    const { status, stdout } = run('check', join(folder, 'cr.dcm'), '--rules', join(folder, 'rules.json'))
    expect({ status, lines: stdout.split('\n').map((line) => line.trim().replaceAll(/ +/g, ' ')) }).toEqual({
      status: 0,
      lines: ['leaves chest CT', 'does not modality', 'takes radiographs', 'holds modality', '', 'Predicted: frame 1 by model-a, results to pacs.', ''],
    })
  })

  it('explains it for programs, and tells a skipped instance by its exit code', () => {
    const { status, stdout } = run('check', join(folder, 'cr.dcm'), '--rules', join(folder, 'none.json'), '--json')
    expect({ status, route: JSON.parse(stdout) }).toEqual({ status: 3, route: { decision: { kind: 'skip', rule: null, reason: 'none of 0 rules takes it' }, tried: [] } })
  })

  it('fails on a file that is none, without naming it', () => {
    const { status, stderr } = run('check', join(folder, 'absent.dcm'), '--rules', join(folder, 'rules.json'))
    expect({ status, stderr }).toEqual({ status: 1, stderr: 'file-unreadable: the file cannot be read\n' })
  })
})
