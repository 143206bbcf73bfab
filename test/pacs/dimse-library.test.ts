import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex')
/** Of which dcmjs complains: a UID that goes on past the end, a US of one byte, a length without a value, and two character sets that nobody knows. */
const SPOILT = [`0000020000100000${hex('1.2')}`, '000000010100000030', '08001800ffff0000']
const CHARACTER_SETS = `08000500${hex('CS')}1400${hex('NO_SET_1\\ISO 2022 IR ')}`

it.each([
  ['implicit', '1.2.840.10008.1.2', SPOILT],
  ['explicit', '1.2.840.10008.1.2.1', [...SPOILT, CHARACTER_SETS]],
])('the library reads spoilt %s datasets without a word on the terminal', async (_name, transferSyntaxUid, datasets) => {
  const script = `
    const { Dataset } = await import('./src/pacs/dimse-library.ts')
    for (const bytes of ${JSON.stringify(datasets)}) {
      try { new Dataset(Buffer.from(bytes, 'hex'), '${transferSyntaxUid}') } catch {}
    }
    process.stdout.write('read')`
  const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script])
  expect({ stdout, stderr }).toEqual({ stdout: 'read', stderr: '' })
})
