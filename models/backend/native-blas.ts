/**
 * The system's OpenBLAS in, its matrix product on the wasm backend's own memory out, checked before it is used.
 *
 * WebAssembly has lanes of 128 bits; a processor with AVX2 or AVX-512 multiplies two to four times faster natively (spec: training 5b). Nothing is copied: the library
 * reads and writes the backend's heap.
 */
import type koffi from 'koffi'

/** One product of matrices that lie densely in rows: out = a b, each of the two first turned over where its flag says so. */
export interface Product {
  readonly m: number
  readonly n: number
  readonly k: number
  /** [m, k], or [k, m] where it is transposed. */
  readonly a: Float32Array
  readonly transposeA: boolean
  /** [k, n], or [n, k] where it is transposed. */
  readonly b: Float32Array
  readonly transposeB: boolean
  /** [m, n] */
  readonly out: Float32Array
}

export type Multiply = (product: Product) => void

export interface NativeBlas {
  /** Version and the kernel family that it chose for this processor. */
  readonly description: string
  readonly multiply: Multiply
}

/** Debian's and the other distributions' sonames, and Homebrew's. */
const LIBRARIES = ['libopenblas.so.0', 'libopenblas.so', 'libopenblas.dylib'] as const

const ROW_MAJOR = 101
const TRANSPOSE = { no: 111, yes: 112 } as const

/**
 * The library, on one thread: the training has its own.
 *
 * Throws: Error where koffi or the library is not there, or where a product differs from the plain one, as old versions do on new processors.
 */
export async function openNativeBlas(): Promise<NativeBlas> {
  const { default: native } = await import('koffi')
  const library = openFirst(native)
  library.func('void openblas_set_num_threads(int)')(1)
  const version: string = library.func('const char *openblas_get_config()')()
  const core: string = library.func('const char *openblas_get_corename()')()
  const sgemm = library.func(
    'void cblas_sgemm(int order, int transA, int transB, int m, int n, int k, float alpha, float *a, int lda, float *b, int ldb, float beta, float *c, int ldc)',
  )
  const multiply: Multiply = ({ m, n, k, a, transposeA, b, transposeB, out }) => {
    const flag = (transposed: boolean): number => (transposed ? TRANSPOSE.yes : TRANSPOSE.no)
    sgemm(ROW_MAJOR, flag(transposeA), flag(transposeB), m, n, k, 1, a, transposeA ? m : k, b, transposeB ? k : n, 0, out, n)
  }
  checkProducts(multiply)
  return { description: `${version.split(' ').slice(0, 2).join(' ')} (${core})`, multiply }
}

function openFirst(native: typeof koffi): ReturnType<typeof koffi.load> {
  for (const name of LIBRARIES) {
    try {
      return native.load(name)
    } catch {
      // the next name; that none is there is said below
    }
  }
  throw new Error(`no OpenBLAS is installed (${LIBRARIES.join(', ')}; Debian: libopenblas0-pthread)`)
}

/** Sides that are multiples of no register's width, so that a kernel's edges are seen too. */
const CHECKED = { m: 67, n: 61, k: 73 } as const
/** Of the largest value; float32 sums of 73 products stay within a tenth of it. */
const TOLERANCE = 1e-5

/** Throws: Error where any of the four ways of turning gives another product than the sum of products does. */
export function checkProducts(multiply: Multiply): void {
  const { m, n, k } = CHECKED
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      const a = Float32Array.from({ length: m * k }, (_, i) => Math.sin(i))
      const b = Float32Array.from({ length: k * n }, (_, i) => Math.cos(2 * i))
      const out = new Float32Array(m * n)
      const request: Product = { m, n, k, a, transposeA, b, transposeB, out }
      multiply(request)
      const expected = plainProduct(request)
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
      if (out.some((value, i) => !(Math.abs(value - (expected[i] ?? 0)) <= TOLERANCE * largest)))
        throw new Error(`its product is wrong on this processor (transposed: ${transposeA ? 'a' : ''}${transposeB ? 'b' : ''})`)
    }
  }
}

/** In float64, value by value. */
function plainProduct({ m, n, k, a, transposeA, b, transposeB }: Product): Float64Array {
  return Float64Array.from({ length: m * n }, (_, i) => {
    const [row, column] = [Math.floor(i / n), i % n]
    let sum = 0
    for (let l = 0; l < k; l++) sum += (a[transposeA ? l * m + row : row * k + l] ?? 0) * (b[transposeB ? column * k + l : l * n + column] ?? 0)
    return sum
  })
}
