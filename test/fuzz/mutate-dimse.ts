/** A valid conversation and a random source in, a spoilt one out: units lost, doubled, moved and misnamed, lengths that lie, values out of range. */
import { type Unit, writeUnit } from './dimse-seeds.ts'
import { EDGES } from './mutate.ts'
import type { Random } from './random.ts'
import { spoilBytes } from './spoil-bytes.ts'

/** A conversation and how it is brought to its receiver. */
export interface DimseCase {
  /** The bytes of each. */
  readonly pdus: readonly Uint8Array[]
  /** Bytes of the pieces that a PDU is sent in, over and over; none sends it whole. */
  readonly pieceBytes: readonly number[]
  /** After each piece, turns of the event loop for the receiver. */
  readonly turns: number
  /** 'end' closes our side, 'reset' breaks the connection, 'silent' leaves it open and says no more. */
  readonly ending: 'end' | 'reset' | 'silent'
  /** What becomes of an instance that the receiver hands on. */
  readonly accept: 'at once' | 'later' | 'full' | 'broken'
}

/** A unit and the row that it stands in. */
interface Place {
  readonly row: (Unit | Uint8Array)[]
  readonly index: number
  readonly unit: Unit
}

type Mutation = (pdus: Unit[], random: Random, others: readonly (readonly Unit[])[]) => void

const MUTATIONS: readonly Mutation[] = [
  dropUnit,
  repeatUnit,
  swapUnits,
  transplant,
  setType,
  setControl,
  lieInLength,
  lieInLength,
  splitFragment,
  spoilValue,
  spoilValue,
  spoilValue,
]
/** More than the 128 contexts of an association. */
const MOST_REPEATS = 200
/** Longer than any 16-bit length can say. */
const LONGEST_VALUE = 70_000

/** Few, so that most of a conversation is understood; a case without any only comes strangely. */
const MUTATIONS_OF_A_CASE = [0, 1, 1, 1, 2, 2, 3, 4]

/** The case that the numbers make of the seeds. */
export function buildDimseCase(seeds: readonly (readonly Unit[])[], random: Random): DimseCase {
  const pdus = structuredClone(random.pick(seeds)) as Unit[]
  for (let left = random.pick(MUTATIONS_OF_A_CASE); left > 0; left--) if (pdus.length > 0) random.pick(MUTATIONS)(pdus, random, seeds)
  return {
    pdus: pdus.map((pdu) => spoilBytes(writeUnit(pdu), random)),
    pieceBytes: random.below(4) > 0 ? [] : Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(random.pick([1, 9, 200]))),
    turns: random.pick([0, 0, 1, 3]),
    ending: random.pick(['end', 'end', 'end', 'end', 'end', 'end', 'reset', 'reset', 'silent'] as const),
    accept: random.pick(['at once', 'at once', 'later', 'full', 'broken'] as const),
  }
}

/** The units of the conversation and all within them. */
function placesOf(row: (Unit | Uint8Array)[]): Place[] {
  return row.flatMap((unit, index) => (unit instanceof Uint8Array ? [] : [{ row, index, unit }, ...placesOf(unit.parts)]))
}

/**
 * Every level is as likely as the others: commands have many units, conversations few.
 *
 * Two times in three behind the first PDU, without which nothing that follows is reached.
 */
function pickPlace(pdus: Unit[], random: Random): Place {
  const isBehind = pdus.length > 1 && random.below(3) > 0
  const places = placesOf(pdus).slice(isBehind ? 1 + placesOf(pdus[0]!.parts).length : 0)
  const kinds = [...new Set(places.map(({ unit }) => unit.kind))]
  const kind = random.pick(kinds)
  return random.pick(places.filter(({ unit }) => unit.kind === kind))
}

function dropUnit(pdus: Unit[], random: Random): void {
  const { row, index } = pickPlace(pdus, random)
  row.splice(index, 1)
}

function repeatUnit(pdus: Unit[], random: Random): void {
  const { row, index, unit } = pickPlace(pdus, random)
  const copies = Array.from({ length: random.below(4) === 0 ? MOST_REPEATS : 1 + random.below(3) }, () => structuredClone(unit))
  row.splice(index, 0, ...copies)
}

function swapUnits(pdus: Unit[], random: Random): void {
  const { row, index, unit } = pickPlace(pdus, random)
  const other = random.below(row.length)
  row[index] = row[other]!
  row[other] = unit
}

/** A unit of another conversation, or of another level, where it does not belong. */
function transplant(pdus: Unit[], random: Random, others: readonly (readonly Unit[])[]): void {
  const { row, index } = pickPlace(pdus, random)
  row.splice(index, random.below(2), structuredClone(pickPlace([...random.pick(others)], random).unit))
}

function setType(pdus: Unit[], random: Random): void {
  const { unit } = pickPlace(pdus, random)
  const { kind, type } = unit
  const near =
    kind === 'pdu' ? 1 + random.below(8) : kind === 'item' ? random.pick([0x10, 0x20, 0x21, 0x30, 0x40, 0x50, 0x51, 0x53, 0x54, 0x56, 0x58]) : type ^ (1 << random.below(4))
  unit.type = random.below(4) === 0 ? random.pick(EDGES) : near
}

/** Commands become data, and last fragments become earlier ones. */
function setControl(pdus: Unit[], random: Random): void {
  const pdvs = placesOf(pdus).filter(({ unit }) => unit.kind === 'pdv')
  if (pdvs.length > 0) random.pick(pdvs).unit.control = random.below(8) === 0 ? random.below(256) : random.below(4)
}

function lieInLength(pdus: Unit[], random: Random): void {
  const { unit } = pickPlace(pdus, random)
  unit.lie = random.below(3) === 0 ? random.pick(EDGES) : random.below(17) - 8
}

/** A PDV in two, in the same PDU or in one of its own each, cut anywhere. */
function splitFragment(pdus: Unit[], random: Random): void {
  const pdvs = placesOf(pdus).filter(({ unit }) => unit.kind === 'pdv')
  if (pdvs.length === 0) return
  const { row, index, unit } = random.pick(pdvs)
  const content = Buffer.concat(unit.parts.map((part) => (part instanceof Uint8Array ? part : writeUnit(part))))
  const cut = random.below(content.length + 1)
  const halves: Unit[] = [
    { ...unit, control: unit.control & ~2, parts: [content.subarray(0, cut)] },
    { ...unit, parts: [content.subarray(cut)] },
  ]
  const place = pdus.findIndex(({ parts }) => parts === row)
  if (random.below(2) === 0 || place < 0 || row.length > 1) row.splice(index, 1, ...halves)
  else pdus.splice(place, 1, ...halves.map((half): Unit => ({ ...pdus[place]!, parts: [half] })))
}

/** The bytes at the bottom: numbers, names and datasets. */
function spoilValue(pdus: Unit[], random: Random): void {
  const holders = placesOf(pdus).filter(({ unit }) => unit.parts.some((part) => part instanceof Uint8Array && part.length > 0))
  if (holders.length === 0) return
  const { unit } = random.pick(holders)
  const indexes = unit.parts.flatMap((part, i) => (part instanceof Uint8Array && part.length > 0 ? [i] : []))
  const index = random.pick(indexes)
  unit.parts[index] = spoiltValue(unit.parts[index] as Uint8Array, random)
}

function spoiltValue(value: Uint8Array, random: Random): Uint8Array {
  const at = random.below(value.length)
  switch (random.below(6)) {
    case 0:
      return value.subarray(0, at)
    case 1:
      return Buffer.concat([value, value.subarray(at)])
    case 2:
      return new Uint8Array(random.below(8) === 0 ? LONGEST_VALUE : random.below(300)).fill(random.pick([0, 0x20, 0x31, 0xff]))
    case 3:
      return value.map((byte, i) => (i === at ? random.pick([0, 0x20, 0x2e, 0x2f, 0x5c, 0x80, 0xff]) : byte))
    case 4:
      return writeEdge(value, at, random)
    default:
      return value.map((byte, i) => (i === at ? byte ^ (1 << random.below(8)) : byte))
  }
}

/** In 2 or 4 bytes, in either order: command sets are little endian, everything around them is big endian. */
function writeEdge(value: Uint8Array, at: number, random: Random): Uint8Array {
  const [edge, size, isBig] = [random.pick(EDGES), random.pick([2, 4]), random.below(2) === 0]
  return value.map((byte, i) => {
    const place = i - at
    if (place < 0 || place >= size) return byte
    return Math.floor(edge / 256 ** (isBig ? size - 1 - place : place)) & 0xff
  })
}
