/** A frame that keeps the decoder of HTJ2K busy without end: what the fuzzer made, as its case 2051533, of a frame of the tests' own encoder. */
import { buildPart10, IMAGE } from '../support/synthetic-dicom.ts'

export const HTJ2K_RPCL = '1.2.840.10008.1.2.4.202'

/** 9 x 12 pixels of 16 bits, lossless; the damage lies in the coded data, behind every header that a check could read. */
export const ENDLESS_HTJ2K: Uint8Array<ArrayBuffer> = new Uint8Array(
  Buffer.from(
    '/0//UQApQAAAAAAMAAAACQAAAAAAAAAAAAAADAAAAAkAAAAAAAAAAAABjwEB/1AACAACAAAACf9SAAwAAgABAAEEBEAB/1wAByCIiIiI/2QAFwABT3BlbkpQSCBWZXIgMC4xOC4yLv9V' +
      'ABAAYAAAAAAAVgAAAAAAbP+QAAoAAAAAAFYAAv+TwAAvRPUDg8YGnBsggBxICPoF90CmlBihD2Vd7GW/BzNBCk06YknaCRtUQdGJLfeRrIxtoAJZJ35NRfoH366V1rjpAjmAFr0A/5AA' +
      'CgAA////8AEC/5PAAC6GAAF2oO1u2zbQgIrKtLsA24AGqF1B3XYDVPkJf+50vWXKEzG7AN9//3u//37333//fe+//4AAAACB74Pvg++D74Pvg++D74Pvg++D74MAELhCAuzlBhjAMb0A' +
      '/9kA',
    'base64',
  ),
)

/** A DICOM file around a frame of that size. */
export function fileAround(fragment: Uint8Array): Uint8Array {
  return buildPart10({
    transferSyntaxUid: HTJ2K_RPCL,
    pixelVr: 'OW',
    dataset: { ...IMAGE, Rows: 9, Columns: 12, BitsAllocated: 16, BitsStored: 16, HighBit: 15, PixelRepresentation: 1 },
    encapsulated: { offsets: [], fragments: [fragment] },
  })
}
