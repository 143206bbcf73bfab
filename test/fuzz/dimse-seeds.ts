/** Conversations of a storage SCU out, as trees of their units: what holds a length holds its content apart, so that both can be spoilt. */
import { syntheticDataset } from '../pacs/support/synthetic-files.ts'

/**
 * A unit of a conversation (PS3.8 section 9.3, PS3.7 section 6.3.1), its length made when it is written.
 *
 * 'pdu'      type, reserved, 32-bit length
 * 'item'     type, reserved, 16-bit length
 * 'pdv'      32-bit length, context, control
 * 'element'  of a command set, implicit VR little endian: group 0000, element, 32-bit length
 */
export interface Unit {
  kind: 'pdu' | 'item' | 'pdv' | 'element'
  /** Of a PDV its context, of an element its number. */
  type: number
  /** Of a PDV alone: bit 0 for a command, bit 1 for the last fragment. */
  control: number
  /** What is added to the length that is written: 0 tells the truth. */
  lie: number
  parts: (Unit | Uint8Array)[]
}

export interface DimseSeed {
  readonly name: string
  readonly pdus: readonly Unit[]
}

/** The titles that the fuzzed receiver goes by and knows. */
export const CALLED_AE_TITLE = 'ATTENDING'
export const CALLING_AE_TITLE = 'FUZZ'

const VERIFICATION = '1.2.840.10008.1.1'
const CR = '1.2.840.10008.5.1.4.1.1.1'
const CT = '1.2.840.10008.5.1.4.1.1.2'
const IMPLICIT = '1.2.840.10008.1.2'
const EXPLICIT = '1.2.840.10008.1.2.1'
const JPEG_LOSSLESS = '1.2.840.10008.1.2.4.70'

const unit = (kind: Unit['kind'], type: number, parts: Unit['parts'], control = 0): Unit => ({ kind, type, control, lie: 0, parts })
const text = (value: string): Uint8Array => Buffer.from(value, 'latin1')
const short = (value: number): Uint8Array => Buffer.from([value & 0xff, value >> 8])

/** Zeros before the content of a context (PS3.8 table 9-13). */
const RESERVED = new Uint8Array(3)

/** A presentation context that is asked for. */
export function context(id: number, abstractSyntax: string, transferSyntaxes: readonly string[]): Unit {
  return unit('item', 0x20, [Uint8Array.of(id), RESERVED, unit('item', 0x30, [text(abstractSyntax)]), ...transferSyntaxes.map((uid) => unit('item', 0x40, [text(uid)]))])
}

/** An A-ASSOCIATE-RQ. */
export function associate(contexts: readonly Unit[], more: readonly Unit[] = [], calling = CALLING_AE_TITLE): Unit {
  const user = [unit('item', 0x51, [Uint8Array.of(0, 0, 0x40, 0)]), unit('item', 0x52, [text('1.2.3.4')]), ...more, unit('item', 0x55, [text('SEED')])]
  const titles = [CALLED_AE_TITLE, calling].map((title) => text(title.padEnd(16)))
  return unit('pdu', 1, [Uint8Array.of(0, 1, 0, 0), ...titles, new Uint8Array(32), unit('item', 0x10, [text('1.2.840.10008.3.1.1.1')]), ...contexts, unit('item', 0x50, [...user])])
}

const element = (number: number, value: Uint8Array): Unit => unit('element', number, [value])
const uid = (value: string): Uint8Array => text(value.length % 2 === 0 ? value : `${value}\0`)

/** The command set of a request (PS3.7 annex E); its group length is not corrected when it is spoilt. */
function command(contextId: number, field: number, sopClassUid: string, hasDataset: boolean, more: readonly Unit[] = []): Unit {
  const elements = [element(0x0002, uid(sopClassUid)), element(0x0100, short(field)), element(0x0110, short(7)), element(0x0800, short(hasDataset ? 1 : 0x0101)), ...more]
  const length = Buffer.alloc(4)
  length.writeUInt32LE(elements.reduce((sum, { parts }) => sum + 8 + (parts[0] as Uint8Array).length, 0))
  return unit('pdv', contextId, [element(0x0000, length), ...elements], 3)
}

/** A P-DATA-TF. */
export const data = (pdv: readonly Unit[]): Unit => unit('pdu', 4, [...pdv])
const echo = (contextId: number): Unit => data([command(contextId, 0x0030, VERIFICATION, false)])

/** The PDVs of a C-STORE-RQ: its command, and its dataset in as many fragments. */
export function store(contextId: number, sopClassUid: string, sopInstanceUid: string, fragments: number, more: readonly Unit[] = []): Unit[] {
  const dataset = syntheticDataset(sopClassUid, sopInstanceUid)
  const size = Math.ceil(dataset.length / fragments)
  const pieces = Array.from({ length: fragments }, (_, i) => unit('pdv', contextId, [dataset.subarray(i * size, (i + 1) * size)], i === fragments - 1 ? 2 : 0))
  return [command(contextId, 0x0001, sopClassUid, true, [element(0x0700, short(0)), element(0x1000, uid(sopInstanceUid)), ...more]), ...pieces]
}

const RELEASE = unit('pdu', 5, [new Uint8Array(4)])
const ABORT = unit('pdu', 7, [new Uint8Array(4)])
const STORING = [context(1, CR, [EXPLICIT, IMPLICIT, JPEG_LOSSLESS])]

/** 54 and 58: asynchronous operations, roles and a user identity (PS3.7 annex D.3.3). */
const NEGOTIATION = [
  unit('item', 0x53, [Uint8Array.of(0, 4, 0, 4)]),
  unit('item', 0x54, [Uint8Array.of(0, CR.length), text(CR), Uint8Array.of(1, 0)]),
  unit('item', 0x58, [Uint8Array.of(2, 1, 0, 4), text('user'), Uint8Array.of(0, 6), text('secret')]),
]

/** Two elements that only some requests have: who asked for a move, and the number of that request. */
const MOVED = [element(0x1030, text('FUZZ')), element(0x1031, short(9))]

export function buildDimseSeeds(): DimseSeed[] {
  return [
    { name: 'echo', pdus: [associate([context(1, VERIFICATION, [IMPLICIT])]), echo(1), RELEASE] },
    { name: 'store', pdus: [associate(STORING), ...store(1, CR, '1.2.3', 1).map((pdv) => data([pdv])), RELEASE] },
    { name: 'store in one PDU', pdus: [associate(STORING), data(store(1, CR, '1.2.3', 2)), RELEASE] },
    { name: 'store in fragments', pdus: [associate(STORING), ...store(1, CR, '1.2.3', 9).map((pdv) => data([pdv])), RELEASE] },
    { name: 'stores, one moved', pdus: [associate(STORING), ...['1.2.3', '1.2.4', '1.2.5'].flatMap((name) => store(1, CR, name, 2, MOVED).map((pdv) => data([pdv]))), RELEASE] },
    {
      name: 'many contexts',
      pdus: [
        associate([...STORING, context(3, CT, [IMPLICIT, EXPLICIT]), context(5, VERIFICATION, [IMPLICIT]), context(7, '1.2.840.10008.5.1.4.1.1.88.33', [EXPLICIT])], NEGOTIATION),
        ...store(3, CT, '1.2.6', 2).map((pdv) => data([pdv])),
        echo(5),
        ...store(1, CR, '1.2.7', 2).map((pdv) => data([pdv])),
        RELEASE,
      ],
    },
    // The receiver answers neither, and has to outlive both.
    { name: 'find', pdus: [associate([context(1, VERIFICATION, [IMPLICIT])]), data([command(1, 0x0020, VERIFICATION, false)]), RELEASE] },
    { name: 'answer to nothing', pdus: [associate([context(1, VERIFICATION, [IMPLICIT])]), data([command(1, 0x8030, VERIFICATION, false)]), RELEASE] },
    { name: 'unknown peer', pdus: [associate(STORING, [], 'STRANGER'), ...store(1, CR, '1.2.3', 1).map((pdv) => data([pdv])), RELEASE] },
    { name: 'store, then an abort', pdus: [associate(STORING), ...store(1, CR, '1.2.3', 1).map((pdv) => data([pdv])), ABORT] },
    {
      name: 'abort within a store',
      pdus: [
        associate(STORING),
        ...store(1, CR, '1.2.3', 3)
          .map((pdv) => data([pdv]))
          .slice(0, 3),
        ABORT,
      ],
    },
  ]
}

/** The bytes of a unit, all lengths as the content has them, but for what lies. */
export function writeUnit(unit: Unit): Buffer {
  const content = Buffer.concat(unit.parts.map((part) => (part instanceof Uint8Array ? part : writeUnit(part))))
  return Buffer.concat([headOf(unit, content.length), content])
}

function headOf({ kind, type, control, lie }: Unit, contentLength: number): Buffer {
  const head = Buffer.alloc(kind === 'element' ? 8 : kind === 'item' ? 4 : 6)
  if (kind === 'element') {
    head.writeUInt16LE(type & 0xffff, 2)
    head.writeUInt32LE((contentLength + lie) >>> 0, 4)
  } else if (kind === 'pdv') {
    head.writeUInt32BE((contentLength + 2 + lie) >>> 0, 0)
    head.set([type & 0xff, control & 0xff], 4)
  } else {
    head[0] = type & 0xff
    if (kind === 'pdu') head.writeUInt32BE((contentLength + lie) >>> 0, 2)
    else head.writeUInt16BE((contentLength + lie) & 0xffff, 2)
  }
  return head
}
