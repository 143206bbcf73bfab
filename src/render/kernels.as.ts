/**
 * Bytes of a picture in, filtered rows and Huffman codes of them out: the loops of the PNG writer.
 *
 * AssemblyScript, not TypeScript: compiled into compiled-kernels.ts, and by a test again. Every address is a byte offset in the module's memory.
 */

/** The filter that is written in front of a row: each byte minus the one a pixel to the left (PNG specification, 9.2). */
const SUB: u8 = 1

/**
 * Rows with their filter in front.
 *
 * from  [height, length] bytes
 * to    [height, 1 + length] bytes
 */
export function subtractLeft(from: usize, to: usize, length: i32, height: i32, pixelBytes: i32): void {
  for (let y: i32 = 0; y < height; y++) {
    store<u8>(to++, SUB)
    let i: i32 = 0
    for (; i < pixelBytes; i++) store<u8>(to + i, load<u8>(from + i))
    for (; i + 16 <= length; i += 16) v128.store(to + i, i8x16.sub(v128.load(from + i), v128.load(from + i - pixelBytes)))
    for (; i < length; i++) store<u8>(to + i, load<u8>(from + i) - load<u8>(from + i - pixelBytes))
    from += length
    to += length
  }
}

/** Largest prime below 2^16. */
const ADLER_BASE: u32 = 65521
/** Bytes whose sums stay below 2^32. Source: zlib, adler32.c, NMAX, down to whole vectors. */
const ADLER_RUN: i32 = 5552 - (5552 % 16)

/** The Adler-32 checksum (RFC 1950, 8.2) of what `start` is that of and these bytes; 1 is that of none. */
export function adler32(from: usize, length: i32, start: u32): u32 {
  let a: u32 = start & 0xffff
  let b: u32 = start >> 16
  const high = i16x8(16, 15, 14, 13, 12, 11, 10, 9)
  const low = i16x8(8, 7, 6, 5, 4, 3, 2, 1)
  while (length >= 16) {
    const run = min(length - (length % 16), ADLER_RUN)
    // Sums of the bytes, of the bytes times their distance to the end of the vector, and of `sums` before each vector.
    let sums = i32x4.splat(0)
    let weighed = i32x4.splat(0)
    let before = i32x4.splat(0)
    const end = from + run
    for (; from < end; from += 16) {
      const bytes = v128.load(from)
      before = i32x4.add(before, sums)
      sums = i32x4.add(sums, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(bytes)))
      weighed = i32x4.add(weighed, i32x4.dot_i16x8_s(i16x8.extend_low_i8x16_u(bytes), high))
      weighed = i32x4.add(weighed, i32x4.dot_i16x8_s(i16x8.extend_high_i8x16_u(bytes), low))
    }
    b = (b + a * <u32>run + total(before) * 16 + total(weighed)) % ADLER_BASE
    a = (a + total(sums)) % ADLER_BASE
    length -= run
  }
  for (; length > 0; length--, from++) {
    a += load<u8>(from)
    b += a
  }
  return ((b % ADLER_BASE) << 16) | a % ADLER_BASE
}

// @ts-ignore: decorator
@inline function total(lanes: v128): u32 {
  return <u32>i32x4.extract_lane(lanes, 0) + <u32>i32x4.extract_lane(lanes, 1) + <u32>i32x4.extract_lane(lanes, 2) + <u32>i32x4.extract_lane(lanes, 3)
}

/**
 * How often each byte occurs.
 *
 * counts  [8, 256] uint32, of zeros: eight tables, since equal bytes follow each other and a count waits for the one before it; their sum is the answer
 */
export function countBytes(from: usize, length: i32, counts: usize): void {
  const end = from + length
  for (; from + 8 <= end; from += 8) {
    const low = load<u32>(from)
    const high = load<u32>(from, 4)
    increment(counts, low & 255)
    increment(counts + 1024, (low >> 8) & 255)
    increment(counts + 2048, (low >> 16) & 255)
    increment(counts + 3072, low >> 24)
    increment(counts + 4096, high & 255)
    increment(counts + 5120, (high >> 8) & 255)
    increment(counts + 6144, (high >> 16) & 255)
    increment(counts + 7168, high >> 24)
  }
  for (; from < end; from++) increment(counts, load<u8>(from))
}

// @ts-ignore: decorator
@inline function increment(counts: usize, byte: u32): void {
  const at = counts + (<usize>byte << 2)
  store<u32>(at, load<u32>(at) + 1)
}

/** Bits that are not yet whole bytes of the output, the first one lowest (RFC 1951, 3.1.1). */
let bits: u64 = 0
let bitCount: u32 = 0
let output: usize = 0

/** Begins a stream: no bits are held. */
export function startBits(): void {
  bits = 0
  bitCount = 0
}

/** Where the next whole byte goes. The bits that are held stay. */
export function writeTo(to: usize): void {
  output = to
}

/** The address behind the last whole byte. */
export function written(): usize {
  return output
}

/** At most 32 bits, the lowest first. */
export function putBits(value: u32, count: u32): void {
  bits |= <u64>value << bitCount
  bitCount += count
  flush()
}

/** Stores the whole bytes; less than 8 bits are left. */
// @ts-ignore: decorator
@inline function flush(): void {
  store<u64>(output, bits)
  output += bitCount >> 3
  bits >>= bitCount & ~7
  bitCount &= 7
}

/** The last bits, zeros up to a whole byte. */
export function finishBits(): void {
  if (bitCount > 0) store<u8>(output++, <u8>bits)
  bitCount = 0
}

/**
 * The code of every byte.
 *
 * codes  [256] uint32: 24 bits of the code, its first bit lowest, and above them how many bits it has, at most 14, so that four codes and 7 bits fit into 64
 */
export function putCodes(from: usize, length: i32, codes: usize): void {
  let held = bits
  let count: u64 = bitCount
  let to = output
  const end = from + length
  for (; from + 4 <= end; from += 4) {
    const four = load<u32>(from)
    const first = load<u32>(codes + (<usize>(four & 255) << 2))
    const second = load<u32>(codes + (<usize>((four >> 8) & 255) << 2))
    const third = load<u32>(codes + (<usize>((four >> 16) & 255) << 2))
    const fourth = load<u32>(codes + (<usize>(four >> 24) << 2))
    const firstTwo = <u64>(first & 0xffffff) | (<u64>(second & 0xffffff) << (first >> 24))
    const lastTwo = <u64>(third & 0xffffff) | (<u64>(fourth & 0xffffff) << (third >> 24))
    const firstBits = (first >> 24) + (second >> 24)
    held |= (firstTwo | (lastTwo << firstBits)) << count
    count += firstBits + (third >> 24) + (fourth >> 24)
    store<u64>(to, held)
    to += <usize>(count >> 3)
    held >>= count & ~7
    count &= 7
  }
  bits = held
  bitCount = <u32>count
  output = to
  for (; from < end; from++) {
    const code = load<u32>(codes + (<usize>load<u8>(from) << 2))
    putBits(code & 0xffffff, code >> 24)
  }
}
