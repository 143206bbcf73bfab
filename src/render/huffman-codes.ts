/** How often symbols occur in, a prefix code for them out. */

/**
 * The lengths of a prefix code, short where symbols are frequent, none longer than `most`.
 *
 * counts   how often each symbol occurs; 0 for those that get no code
 * returns  [symbol] bits, 0 without a code
 *
 * Source: Huffman 1952, by two queues; where a code comes out too long, counts are halved and it is made again, which costs next to nothing and ends, since equal counts give equal lengths.
 */
export function codeLengths(counts: Uint32Array, most: number): Uint8Array {
  let shrunk = counts
  for (;;) {
    const lengths = huffmanLengths(shrunk)
    if (Math.max(...lengths) <= most) return lengths
    shrunk = shrunk.map((count) => (count === 0 ? 0 : (count >> 1) | 1))
  }
}

function huffmanLengths(counts: Uint32Array): Uint8Array {
  const symbols = Array.from(counts.keys())
    .filter((symbol) => (counts[symbol] ?? 0) > 0)
    .sort((a, b) => (counts[a] ?? 0) - (counts[b] ?? 0) || a - b)
  const lengths = new Uint8Array(counts.length)
  if (symbols.length === 1) lengths[symbols[0] ?? 0] = 1
  if (symbols.length < 2) return lengths
  const depths = depthsOf(Float64Array.from(symbols, (symbol) => counts[symbol] ?? 0))
  symbols.forEach((symbol, leaf) => {
    lengths[symbol] = depths[leaf] ?? 0
  })
  return lengths
}

/** The depth of every leaf of a Huffman tree; weights ascend. Joined nodes ascend too, so that the two lightest are at the heads of two queues. */
function depthsOf(weights: Float64Array): Uint8Array {
  const leaves = weights.length
  const joined = new Float64Array(leaves - 1)
  const parents = new Int32Array(2 * leaves - 1)
  let leaf = 0
  let node = 0
  const takeLightest = (made: number): number => {
    const isLeaf = leaf < leaves && (node >= made || (weights[leaf] ?? 0) <= (joined[node] ?? 0))
    return isLeaf ? leaf++ : leaves + node++
  }
  const weightOf = (index: number): number => (index < leaves ? (weights[index] ?? 0) : (joined[index - leaves] ?? 0))
  for (let made = 0; made < leaves - 1; made++) {
    const left = takeLightest(made)
    const right = takeLightest(made)
    joined[made] = weightOf(left) + weightOf(right)
    parents[left] = leaves + made
    parents[right] = leaves + made
  }
  const depths = new Uint8Array(2 * leaves - 1)
  for (let index = 2 * leaves - 3; index >= 0; index--) depths[index] = (depths[parents[index] ?? 0] ?? 0) + 1
  return depths.subarray(0, leaves)
}

/**
 * The codes of given lengths, each turned over: its first bit is the lowest.
 *
 * Source: RFC 1951, 3.2.2; codes of one length ascend with their symbols.
 */
export function codesOf(lengths: Uint8Array): Uint32Array {
  const longest = Math.max(...lengths)
  const codes = new Uint32Array(lengths.length)
  let code = 0
  for (let length = 1; length <= longest; length++) {
    code <<= 1
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] === length) codes[symbol] = turnedOver(code++, length)
    }
  }
  return codes
}

function turnedOver(code: number, length: number): number {
  let turned = 0
  for (let bit = 0; bit < length; bit++) turned |= ((code >> bit) & 1) << (length - 1 - bit)
  return turned
}
