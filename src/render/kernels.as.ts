/**
 * The loops over every byte of a picture: colors laid over rows of pixels, and rows filtered and coded for a PNG.
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

/** Bytes are taken this many at a time: all zeros begin a run, and are bytes like others where only some are. */
const RUN: i32 = 16
/** The longest copy (RFC 1951, 3.2.5). */
const LONGEST: u32 = 258
/** The shortest one. */
const SHORTEST: u32 = 3

/** The address behind a run of zeros. */
function endOfRun(from: usize, end: usize): usize {
  while (from + RUN <= end && !v128.any_true(v128.load(from))) from += RUN
  while (from < end && load<u8>(from) == 0) from++
  return from
}

/**
 * How often each byte occurs outside runs of zeros, and what runs come to: one zero, copies of it, and up to two zeros more.
 *
 * counts   [8, 256] uint32, of zeros: eight tables, since equal bytes follow each other and a count waits for the one before it; their sum is the answer
 * lengths  [259] uint32, of zeros: copies by their length
 */
export function countBytes(from: usize, length: i32, counts: usize, lengths: usize): void {
  const end = from + length
  while (from + RUN <= end) {
    if (!v128.any_true(v128.load(from))) {
      const next = endOfRun(from, end)
      let copied = <u32>(next - from) - 1
      for (; copied >= LONGEST; copied -= LONGEST) increment(lengths, LONGEST)
      const isCopied = copied >= SHORTEST
      if (isCopied) increment(lengths, copied)
      store<u32>(counts, load<u32>(counts) + 1 + (isCopied ? 0 : copied))
      from = next
      continue
    }
    for (const next = from + RUN; from < next; from += 8) {
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
  }
  for (; from < end; from++) increment(counts, load<u8>(from))
}

// @ts-ignore: decorator
@inline function increment(counts: usize, index: u32): void {
  const at = counts + (<usize>index << 2)
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
 * The code of every byte, and of every run of zeros as `countBytes` finds them.
 *
 * codes    [256] uint32: 24 bits of the code, its first bit lowest, and above them how many bits it has, at most 14, so that four codes and 7 bits fit into 64
 * lengths  [259] uint32, the same for a copy of each length from the byte before it, its distance with it
 */
export function putCodes(from: usize, length: i32, codes: usize, lengths: usize): void {
  let held = bits
  let count: u64 = bitCount
  let to = output
  const end = from + length
  while (from + RUN <= end) {
    if (!v128.any_true(v128.load(from))) {
      bits = held
      bitCount = <u32>count
      output = to
      const next = endOfRun(from, end)
      putRun(<u32>(next - from), codes, lengths)
      from = next
      held = bits
      count = bitCount
      to = output
      continue
    }
    for (const next = from + RUN; from < next; from += 4) {
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
  }
  bits = held
  bitCount = <u32>count
  output = to
  for (; from < end; from++) putCode(codes, load<u8>(from))
}

function putRun(zeros: u32, codes: usize, lengths: usize): void {
  putCode(codes, 0)
  let copied = zeros - 1
  for (; copied >= LONGEST; copied -= LONGEST) putCode(lengths, LONGEST)
  if (copied >= SHORTEST) putCode(lengths, copied)
  else for (; copied > 0; copied--) putCode(codes, 0)
}

// @ts-ignore: decorator
@inline function putCode(codes: usize, index: u32): void {
  const code = load<u32>(codes + (<usize>index << 2))
  putBits(code & 0xffffff, code >> 24)
}

/** Each gray value three times. from [count], to [count, 3]; up to 48 bytes behind it are written over. */
export function spreadGray(from: usize, to: usize, count: i32): void {
  const first = i8x16(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5)
  const second = i8x16(5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10)
  const third = i8x16(10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15)
  for (const end = from + count; from < end; from += 16, to += 48) {
    const gray = v128.load(from)
    v128.store(to, i8x16.swizzle(gray, first))
    v128.store(to, i8x16.swizzle(gray, second), 16)
    v128.store(to, i8x16.swizzle(gray, third), 32)
  }
}

/** Bytes of a color's table: what each value of each channel becomes under it, [channel, value]. */
const TABLE: usize = 768

// @ts-ignore: decorator
@inline function throughTable(pixel: usize, table: usize): void {
  store<u8>(pixel, load<u8>(table + load<u8>(pixel)))
  store<u8>(pixel, load<u8>(table + load<u8>(pixel, 1), 256), 1)
  store<u8>(pixel, load<u8>(table + load<u8>(pixel, 2), 512), 2)
}

/** Two values of an interpolated row, (1 - weight) lower + weight upper rounded to float32, as whole table entries from 0 to 255. */
// @ts-ignore: decorator
@inline function twoEntries(cells: usize, lower: usize, upper: usize, weight: usize): v128 {
  const below = v128.load64_lane(cells + (<usize>load<i32>(lower, 4) << 3), v128.load64_splat(cells + (<usize>load<i32>(lower) << 3)), 1)
  const above = v128.load64_lane(cells + (<usize>load<i32>(upper, 4) << 3), v128.load64_splat(cells + (<usize>load<i32>(upper) << 3)), 1)
  const exact = f64x2.add(below, f64x2.mul(f64x2.sub(above, below), v128.load(weight)))
  const value = f64x2.promote_low_f32x4(f32x4.demote_f64x2_zero(exact))
  const held = f64x2.pmin(f64x2.pmax(f64x2.splat(0), value), f64x2.splat(255))
  return i32x4.trunc_sat_f64x2_u_zero(f64x2.add(held, f64x2.splat(0.5)))
}

/**
 * A row of pixels under the colors of interpolated table entries: each byte becomes image[byte] + colors[entry], cut to a whole byte.
 *
 * pixels         [width, 3] bytes, changed
 * cells          [cell] float64 entries
 * lower, upper   [width] int32 cells on either side of a pixel; weight [width] float64 of the upper one; `width` rounded up to the next even number
 * image, colors  [256] and [256, 3] float64
 * tables, made   [256] tables and [256] bytes, zero at first: a table is made when its entry is first met
 */
export function blendRow(pixels: usize, width: i32, cells: usize, lower: usize, upper: usize, weight: usize, image: usize, colors: usize, tables: usize, made: usize): void {
  const end = pixels + <usize>width * 3
  while (pixels < end) {
    const two = twoEntries(cells, lower, upper, weight)
    const first = <usize>i32x4.extract_lane(two, 0)
    if (load<u8>(made + first) == 0) makeTable(first, image, colors, tables, made)
    throughTable(pixels, tables + first * TABLE)
    pixels += 3
    if (pixels < end) {
      const second = <usize>i32x4.extract_lane(two, 1)
      if (load<u8>(made + second) == 0) makeTable(second, image, colors, tables, made)
      throughTable(pixels, tables + second * TABLE)
      pixels += 3
    }
    lower += 8
    upper += 8
    weight += 16
  }
}

function makeTable(entry: usize, image: usize, colors: usize, tables: usize, made: usize): void {
  store<u8>(made + entry, 1)
  for (let channel: usize = 0; channel < 3; channel++) {
    const color = load<f64>(colors + ((entry * 3 + channel) << 3))
    const to = tables + entry * TABLE + (channel << 8)
    for (let value: usize = 0; value < 256; value++) store<u8>(to + value, <i32>(load<f64>(image + (value << 3)) + color))
  }
}

/**
 * A row of pixels under the colors of patches: each byte becomes kept[patch] byte + added[patch], cut to a whole byte.
 *
 * pixels        [width, 3] bytes, changed
 * patches       [cell] int32 numbers of patches, `below` those of the next row of pixels; lower [width] int32 cells
 * labels        [patch] bytes
 * kept, added   [patch] and [patch, 3] float64
 * tables, made  [patch] tables and [patch] bytes, zero at first
 * border        how strongly white lies where the label on the right or below is another; below 0 for nowhere
 */
export function blendPatches(pixels: usize, width: i32, patches: usize, below: usize, lower: usize, labels: usize, kept: usize, added: usize, tables: usize, made: usize, border: f64): void {
  const last = lower + (<usize>(width - 1) << 2)
  for (const end = pixels + <usize>width * 3; pixels < end; pixels += 3, lower += 4) {
    const cell = <usize>load<i32>(lower) << 2
    const patch = <usize>load<i32>(patches + cell)
    if (load<u8>(made + patch) == 0) makePatchTable(patch, kept, added, tables, made)
    throughTable(pixels, tables + patch * TABLE)
    if (border < 0) continue
    const label = load<u8>(labels + patch)
    const right = lower < last ? <usize>load<i32>(lower, 4) << 2 : cell
    const isEdge = load<u8>(labels + load<i32>(below + cell)) != label || load<u8>(labels + load<i32>(patches + right)) != label
    if (isEdge) for (let channel: usize = 0; channel < 3; channel++) store<u8>(pixels + channel, <i32>((1 - border) * load<u8>(pixels + channel) + border * 255 + 0.5))
  }
}

function makePatchTable(patch: usize, kept: usize, added: usize, tables: usize, made: usize): void {
  store<u8>(made + patch, 1)
  const part = load<f64>(kept + (patch << 3))
  for (let channel: usize = 0; channel < 3; channel++) {
    const color = load<f64>(added + ((patch * 3 + channel) << 3))
    const to = tables + patch * TABLE + (channel << 8)
    for (let value: i32 = 0; value < 256; value++) store<u8>(to + value, <i32>(part * value + color))
  }
}
