/** What a DIMSE receiver said in, its PDUs and its answers out: a reader of its own, written from PS3.8 section 9.3 and PS3.7 section 6.3.1. */

export interface DimseAnswer {
  /** Types of the PDUs, in their order. */
  readonly pduTypes: readonly number[]
  /** Of each command set that came whole: (0000,0100) Command Field and (0000,0900) Status. */
  readonly responses: readonly { readonly commandField: number; readonly status: number | null }[]
  /** Whether the last PDU came whole. */
  readonly isWhole: boolean
}

/** A-ASSOCIATE-AC and -RJ, P-DATA-TF, A-RELEASE-RP, A-ABORT: what the one who was called may say. */
export const ACCEPTED = 2
export const REJECTED = 3
export const DATA = 4
export const RELEASED = 6
export const ABORTED = 7
const MAY_SAY = [ACCEPTED, REJECTED, DATA, RELEASED, ABORTED]

/** Throws an Error that says what is no answer. */
export function readDimseAnswer(bytes: Buffer): DimseAnswer {
  const [pduTypes, responses]: [number[], DimseAnswer['responses'][number][]] = [[], []]
  let at = 0
  while (at + 6 <= bytes.length) {
    const [type, length] = [bytes.readUInt8(at), bytes.readUInt32BE(at + 2)]
    if (!MAY_SAY.includes(type)) throw new Error(`a PDU of type ${type} among the answers`)
    if (at + 6 + length > bytes.length) break
    pduTypes.push(type)
    if (type === DATA) responses.push(...readCommands(bytes.subarray(at + 6, at + 6 + length)))
    at += 6 + length
  }
  return { pduTypes, responses, isWhole: at === bytes.length }
}

/** The receiver sends commands alone, each whole in one PDV. */
function* readCommands(pdu: Buffer): Generator<DimseAnswer['responses'][number]> {
  for (let at = 0; at < pdu.length; ) {
    if (at + 6 > pdu.length) throw new Error('a PDV header that is cut off')
    const length = pdu.readUInt32BE(at)
    if (length < 2 || at + 4 + length > pdu.length) throw new Error(`a PDV of ${length} bytes where ${pdu.length - at - 4} are left`)
    if (pdu.readUInt8(at + 5) !== 3) throw new Error(`a PDV with control ${pdu.readUInt8(at + 5)}`)
    yield readCommand(pdu.subarray(at + 6, at + 4 + length))
    at += 4 + length
  }
}

function readCommand(set: Buffer): DimseAnswer['responses'][number] {
  const numbers = new Map<number, number>()
  for (let at = 0; at < set.length; ) {
    if (at + 8 > set.length) throw new Error('an element of a command set that is cut off')
    const [group, element, length] = [set.readUInt16LE(at), set.readUInt16LE(at + 2), set.readUInt32LE(at + 4)]
    if (group !== 0 || at + 8 + length > set.length) throw new Error(`an element of group ${group} and ${length} bytes in a command set`)
    if (length === 2) numbers.set(element, set.readUInt16LE(at + 8))
    at += 8 + length
  }
  const commandField = numbers.get(0x0100)
  if (commandField === undefined || (commandField & 0x8000) === 0) throw new Error(`the command field ${commandField} in an answer`)
  return { commandField, status: numbers.get(0x0900) ?? null }
}
