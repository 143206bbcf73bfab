/** One byte a pixel in, one bit a pixel out: the stream that BitsAllocated 1 asks for. */

/**
 * Bits of all frames as one stream, least significant bit of each byte first; a frame may begin inside a byte.
 *
 * isSet  whether the pixel of that frame is in the segment
 *
 * Source: PS3.5 section 8.1.1 and annex D, Segmentation of one bit.
 */
export function packBits(frames: number, pixelsPerFrame: number, isSet: (frame: number, pixel: number) => boolean): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(Math.ceil((frames * pixelsPerFrame) / 8))
  for (let frame = 0; frame < frames; frame++) {
    for (let pixel = 0; pixel < pixelsPerFrame; pixel++) {
      if (!isSet(frame, pixel)) continue
      const bit = frame * pixelsPerFrame + pixel
      packed[bit >> 3] = (packed[bit >> 3] ?? 0) | (1 << (bit & 7))
    }
  }
  return packed
}
