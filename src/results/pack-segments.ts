/** Labels of pixels in, one bit a pixel and segment out: the stream that BitsAllocated 1 asks for. */

/**
 * A frame for each value, its pixels set where the label is that value; all frames are one stream of bits, the least significant of each byte first,
 * so a frame may begin inside a byte.
 *
 * labels  [pixel]
 * values  [frame], each once, from 0
 *
 * Source: PS3.5 section 8.1.1, pixel cells of one bit.
 */
export function packSegments(labels: Int16Array, values: readonly number[]): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(Math.ceil((labels.length * values.length) / 8))
  const frameOf: (number | undefined)[] = []
  values.forEach((value, frame) => {
    frameOf[value] = frame
  })
  for (let pixel = 0; pixel < labels.length; pixel++) {
    const frame = frameOf[labels[pixel] ?? -1]
    if (frame === undefined) continue
    const bit = frame * labels.length + pixel
    packed[bit >>> 3] = (packed[bit >>> 3] ?? 0) | (1 << (bit & 7))
  }
  return packed
}
