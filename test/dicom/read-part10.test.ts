/** The way in: each guard of the reader against a file made to meet it. */
import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readItems, readString, readUnsignedShort } from '../../src/dicom/read-attributes.ts'
import { PART10_LIMITS, readPart10 } from '../../src/dicom/read-part10.ts'
import { Problem } from '../../src/domain/problem.ts'
import { BIG_ENDIAN, buildGray16, buildPart10, DEFLATED, EXPLICIT, IMAGE, IMPLICIT, type SyntheticDataset } from '../support/synthetic-dicom.ts'

/** A file whose data set is these bytes, deflated by the caller where the syntax says so. */
function withBody(body: Uint8Array, transferSyntaxUid = EXPLICIT): Uint8Array {
  const head = buildPart10({ transferSyntaxUid, dataset: {} })
  const emptyDeflated = transferSyntaxUid === DEFLATED ? 2 : 0
  return Buffer.concat([head.subarray(0, head.length - emptyDeflated), body])
}

/** An explicit element header of short form. */
const element = (group: number, number: number, vr: string, length: number): Buffer => {
  const head = Buffer.alloc(8)
  head.writeUInt16LE(group, 0)
  head.writeUInt16LE(number, 2)
  head.write(vr, 4, 'latin1')
  head.writeUInt16LE(length, 6)
  return head
}

describe('readPart10', () => {
  it.each([IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED])('reads the attributes of a data set in %s', (transferSyntaxUid) => {
    const nested: SyntheticDataset = { ReferencedImageSequence: [{ Modality: 'CT' }, { Modality: 'MR' }] }
    const { dataset, transferSyntax } = readPart10(buildPart10({ transferSyntaxUid, dataset: { ...IMAGE, ...nested } }))
    expect(transferSyntax.uid).toBe(transferSyntaxUid)
    expect(readUnsignedShort(dataset, 'Columns')).toBe(3)
    expect(readItems(dataset, 'ReferencedImageSequence').map((item) => readString(item, 'Modality'))).toEqual(['CT', 'MR'])
  })

  it('refuses more bytes than the limit before it looks at them', () => {
    expect(() => readPart10(new Uint8Array(101), { ...PART10_LIMITS, maxBytes: 100 })).toThrow(expect.objectContaining({ code: 'dicom-too-large', facts: { limitBytes: 100 } }))
  })

  it('refuses a deflated data set that inflates beyond the limit', () => {
    // 64 MiB of zeros in 64 KiB: 8 x the deflated size + 16 MiB is the limit
    const bomb = withBody(deflateRawSync(Buffer.alloc(64 * 1024 * 1024)), DEFLATED)
    expect(() => readPart10(bomb)).toThrow(expect.objectContaining({ code: 'dicom-too-large' }))
  })

  it('refuses a deflated data set that is damaged', () => {
    expect(() => readPart10(withBody(Uint8Array.of(0xff, 0xff, 0xff, 0xff), DEFLATED))).toThrow(expect.objectContaining({ code: 'dicom-truncated' }))
  })

  it('refuses a transfer syntax that is not on the list, and shows it only where it is one', () => {
    const video = '1.2.840.10008.1.2.4.100'
    expect(() => readPart10(buildPart10({ transferSyntaxUid: video, dataset: IMAGE }))).toThrow(
      expect.objectContaining({ code: 'transfer-syntax-unsupported', facts: { transferSyntaxUid: video } }),
    )
    const smuggled = buildPart10({ transferSyntaxUid: '<script>DOE^JOHN</script>', dataset: IMAGE })
    expect(() => readPart10(smuggled)).toThrow(expect.objectContaining({ code: 'transfer-syntax-unsupported', facts: { transferSyntaxUid: 'not a UID' } }))
  })

  it('refuses a file without meta information', () => {
    const bare = Buffer.concat([Buffer.alloc(128), Buffer.from('DICM'), element(0x0008, 0x0060, 'CS', 2), Buffer.from('CT')])
    expect(() => readPart10(bare)).toThrow(expect.objectContaining({ code: 'dicom-not-part10' }))
  })

  it('refuses a file that ends with its meta information', () => {
    expect(() => readPart10(buildPart10({ dataset: {} }))).toThrow(expect.objectContaining({ code: 'dicom-truncated' }))
  })

  it('takes a private group right behind the meta information for what it is', () => {
    // group 0001 sorts before 0002 + and has fooled readers that compare tags
    const { dataset } = readPart10(withBody(Buffer.concat([element(0x0001, 0x0001, 'LO', 2), Buffer.from('x '), element(0x0008, 0x0060, 'CS', 2), Buffer.from('CT')])))
    expect(readString(dataset, 'Modality')).toBe('CT')
  })

  it('refuses an element that is longer than the file without reserving its length', () => {
    const long = Buffer.from('e07f10004f570000f0ffffff0000', 'hex')
    expect(() => readPart10(withBody(long))).toThrow(expect.objectContaining({ code: 'dicom-truncated' }))
  })

  it('refuses an item of such a sequence whose last element ends outside it', () => {
    // found by fuzzing: the item holds the header of Rows, two bytes long, and not a byte of it
    const item = Buffer.from('feff00e008000000' + '2800100002000000', 'hex')
    const head = Buffer.from('08004011554e000008000000', 'hex')
    head.writeUInt32LE(item.length, 8)
    const { dataset } = readPart10(withBody(Buffer.concat([head, item])))
    expect(() => readItems(dataset, 'ReferencedImageSequence')).toThrow(expect.objectContaining({ code: 'dicom-truncated' }))
  })

  it.each([IMPLICIT, EXPLICIT, BIG_ENDIAN])('tells pixels that end inside their last row from pixels that end anywhere else (%s)', (transferSyntaxUid) => {
    const file = buildGray16([1, 2, 3, 4, 5, 6], 3, {}, { transferSyntaxUid })
    expect(() => readPart10(file.subarray(0, file.length - 1))).toThrow(expect.objectContaining({ code: 'pixel-data-truncated', facts: { expectedBytes: 12, actualBytes: 11 } }))
    expect(() => readPart10(file.subarray(0, file.length - 7))).toThrow(expect.objectContaining({ code: 'dicom-truncated' }))
  })

  it.each([
    ['Columns', 0x11],
    ['BitsAllocated', 0x100],
  ])('refuses a file that ends before the value of a second %s, behind its pixels', (_, number) => {
    const file = Buffer.concat([buildGray16([1, 2, 3, 4, 5, 6], 3, {}, { transferSyntaxUid: EXPLICIT }), element(0x0028, number, 'US', 2)])
    expect(() => readPart10(file)).toThrow(expect.objectContaining({ code: 'dicom-truncated' }))
  })

  it('refuses encapsulated pixels that are not closed', () => {
    const file = buildPart10({ transferSyntaxUid: '1.2.840.10008.1.2.5', dataset: IMAGE, encapsulated: { offsets: [], fragments: [new Uint8Array(70)] } })
    expect(() => readPart10(file.subarray(0, file.length - 8))).toThrow(expect.objectContaining({ code: 'dicom-truncated' }))
    expect(() => readPart10(file.subarray(0, file.length - 40))).toThrow(expect.objectContaining({ code: 'dicom-truncated' }))
  })

  it.each([
    [64, true],
    [65, false],
    [5000, false],
  ])('reads %i nested sequences: %s', (depth, isRead) => {
    // explicit, undefined length, each sequence and item closed by the end of the file
    const open = Buffer.from('0800401153510000fffffffffeff00e0ffffffff', 'hex')
    const close = Buffer.from('feff0de000000000feffdde000000000', 'hex')
    const file = withBody(Buffer.concat([...Array.from({ length: depth }, () => open), ...Array.from({ length: depth }, () => close)]))
    if (isRead) expect(readItems(readPart10(file).dataset, 'ReferencedImageSequence')).toHaveLength(1)
    else expect(() => readPart10(file)).toThrow(expect.objectContaining({ code: 'dicom-nesting-too-deep', facts: { limitDepth: 64 } }))
  })

  it('refuses more elements than the limit, in items too', () => {
    const items = Array.from({ length: 300 }, () => Buffer.concat([Buffer.from('feff00e00a000000', 'hex'), element(0x0008, 0x0060, 'CS', 2), Buffer.from('CT')]))
    const body = Buffer.concat(items)
    const head = Buffer.from('080040115351000000000000', 'hex')
    head.writeUInt32LE(body.length, 8)
    const file = withBody(Buffer.concat([head, body]))
    expect(readItems(readPart10(file).dataset, 'ReferencedImageSequence')).toHaveLength(300)
    expect(() => readPart10(file, { ...PART10_LIMITS, maxElements: 200 })).toThrow(expect.objectContaining({ code: 'dicom-too-large' }))
  })

  it('reads a sequence that a converter has labelled UN', () => {
    // one item, implicit little endian inside: (0008,0060) of length 2
    const item = Buffer.from('feff00e00a000000' + '080060000200' + '00004354', 'hex')
    const head = Buffer.from('08004011554e000000000000', 'hex')
    head.writeUInt32LE(item.length, 8)
    const { dataset } = readPart10(withBody(Buffer.concat([head, item])))
    expect(readItems(dataset, 'ReferencedImageSequence').map((inner) => readString(inner, 'Modality'))).toEqual(['CT'])
  })

  it('gives a Problem for every prefix of a file', () => {
    const file = buildPart10({ dataset: { ...IMAGE, ReferencedImageSequence: [{ Modality: 'CT' }], PixelData: new Uint8Array(12) } })
    for (let length = 0; length < file.length; length++) {
      try {
        readPart10(file.subarray(0, length))
      } catch (error) {
        expect(error).toBeInstanceOf(Problem)
      }
    }
  })

  it('gives a Problem or a data set for any bytes behind the magic', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(IMPLICIT, EXPLICIT, BIG_ENDIAN, DEFLATED), (body, transferSyntaxUid) => {
        try {
          readPart10(withBody(body, transferSyntaxUid))
        } catch (error) {
          expect(error).toBeInstanceOf(Problem)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
