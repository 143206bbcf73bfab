import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { TRANSFER_SYNTAXES } from '../../src/dicom/transfer-syntaxes.ts'
import { PREFERRED_SYNTAXES } from '../../src/pacs/receiving-scp.ts'
import { STORAGE_CLASSES } from '../../src/pacs/storage-classes.ts'
import { hasPydicom, pydicomReads } from '../support/dicom-tools.ts'
import { buildConformanceStatement, PAGE, RESULT_CLASSES } from './conformance-statement.ts'
import { syntheticFile } from './support/synthetic-files.ts'

describe('the conformance statement', () => {
  it('is the page that the code has now', () => {
    expect(readFileSync(PAGE, 'utf8')).toBe(buildConformanceStatement())
  })

  it('receives every transfer syntax that images are read in, and no other', () => {
    expect([...PREFERRED_SYNTAXES].sort()).toEqual(TRANSFER_SYNTAXES.map(({ uid }) => uid).sort())
    expect(new Set(PREFERRED_SYNTAXES).size).toBe(PREFERRED_SYNTAXES.length)
  })

  it('sends no class twice, and takes back none but the Secondary Capture', () => {
    expect(new Set(RESULT_CLASSES.map(([uid]) => uid)).size).toBe(RESULT_CLASSES.length)
    expect(RESULT_CLASSES.filter(([uid]) => Object.hasOwn(STORAGE_CLASSES, uid)).map(([, name]) => name)).toEqual(['Secondary Capture Image Storage'])
  })

  it.skipIf(!hasPydicom)("calls every class and every transfer syntax as the standard's registry does, by pydicom's copy of it (needs python3-pydicom)", () => {
    const named: readonly (readonly [string, string])[] = [...Object.entries(STORAGE_CLASSES), ...RESULT_CLASSES.map(([uid, name]): [string, string] => [uid, name])]
    const uids = JSON.stringify([...named.map(([uid]) => uid), ...PREFERRED_SYNTAXES])
    const names = pydicomReads(syntheticFile('1.2.840.10008.5.1.4.1.1.1', '1.2.3'), `[[pydicom.uid.UID(uid).name, pydicom.uid.UID(uid).type] for uid in ${uids}]`) as [
      string,
      string,
    ][]
    expect(names.slice(0, named.length)).toEqual(named.map(([, name]) => [name, 'SOP Class']))
    // HTJ2K is younger than pydicom 2.3.
    const types = names.slice(named.length).map(([name, type], i) => (name === PREFERRED_SYNTAXES[i] ? 'unknown' : type))
    expect(types.filter((type) => type !== 'Transfer Syntax')).toEqual(['unknown', 'unknown', 'unknown'])
  })
})
