/** Rows in, the inner products of all pairs of them out. */

/**
 * x x^T of x [rows, columns]: [rows, rows], symmetric. Every product is summed in the order of the columns, so that equal rows have equal products.
 *
 * Two rows with two: each value that is read serves twice, and four sums run side by side. Half the time of four sums of one pair.
 */
export function gram(x: Float64Array, rows: number): Float64Array {
  const columns = x.length / rows
  const products = new Float64Array(rows * rows)
  const put = (i: number, j: number, sum: number): void => {
    products[i * rows + j] = sum
    products[j * rows + i] = sum
  }
  for (let i = 0; i < rows; i += 2) {
    // Of an odd number of rows the last is paired with itself.
    const nextI = Math.min(i + 1, rows - 1)
    for (let j = i; j < rows; j += 2) {
      const nextJ = Math.min(j + 1, rows - 1)
      const a = i * columns
      const b = nextI * columns
      const c = j * columns
      const d = nextJ * columns
      let ac = 0
      let ad = 0
      let bc = 0
      let bd = 0
      for (let k = 0; k < columns; k++) {
        const xa = x[a + k]!
        const xb = x[b + k]!
        const xc = x[c + k]!
        const xd = x[d + k]!
        ac += xa * xc
        ad += xa * xd
        bc += xb * xc
        bd += xb * xd
      }
      put(i, j, ac)
      put(i, nextJ, ad)
      put(nextI, j, bc)
      put(nextI, nextJ, bd)
    }
  }
  return products
}
