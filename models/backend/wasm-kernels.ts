/**
 * TF.js' wasm backend in, the same backend with fast kernels out.
 *
 * The backend computes every transposed or batched matrix product one value at a time (spec: training 2a); here SIMD kernels of our own work in its memory,
 * under its own registry. `BatchMatMul` and `Identity` are replaced for every user of TF.js; the fused ones have names of their own (FUSED).
 */
import * as tf from '@tensorflow/tfjs'
import { compileKernels, type KernelVariant } from './compile-kernels.ts'
import type { NativeBlas } from './native-blas.ts'

type Size = number
type Address = number

/** What kernels.as.ts exports; flags are 0 or 1. */
interface KernelExports {
  workspaceBytes(): number
  batchGemm(
    workspace: Address,
    count: Size,
    m: Size,
    n: Size,
    k: Size,
    a: Address,
    aRow: Size,
    aColumn: Size,
    aBatch: Size,
    b: Address,
    bRow: Size,
    bColumn: Size,
    bBatch: Size,
    c: Address,
  ): void
  addBias(y: Address, bias: Address, rows: Size, columns: Size): void
  columnSums(x: Address, sums: Address, rows: Size, columns: Size): void
  gelu(x: Address, y: Address, length: Size): void
  geluGradient(x: Address, dy: Address, dx: Address, length: Size): void
  layerNorm(x: Address, weight: Address, bias: Address, y: Address, standard: Address, inverse: Address, rows: Size, width: Size, epsilon: number): void
  layerNormGradient(dy: Address, standard: Address, inverse: Address, weight: Address, dx: Address, dWeight: Address, dBias: Address, rows: Size, width: Size): void
  attention(workspace: Address, qkv: Address, weights: Address, out: Address, batch: Size, tokens: Size, heads: Size, headWidth: Size, scale: number): void
  attentionGradient(
    workspace: Address,
    scratch: Address,
    qkv: Address,
    weights: Address,
    dOut: Address,
    dQkv: Address,
    batch: Size,
    tokens: Size,
    heads: Size,
    headWidth: Size,
    scale: number,
  ): void
  dcmmAttention(
    workspace: Address,
    scratch: Address,
    qkv: Address,
    membership: Address,
    block: Address,
    degree: Address,
    weights: Address,
    affinity: Address,
    out: Address,
    batch: Size,
    tokens: Size,
    heads: Size,
    headWidth: Size,
    communities: Size,
    scale: number,
    lambda: number,
    bounded: number,
  ): void
  dcmmAttentionGradient(
    workspace: Address,
    scratch: Address,
    qkv: Address,
    membership: Address,
    block: Address,
    degree: Address,
    weights: Address,
    affinity: Address,
    dOut: Address,
    dQkv: Address,
    dMembership: Address,
    dBlock: Address,
    dDegree: Address,
    batch: Size,
    tokens: Size,
    heads: Size,
    headWidth: Size,
    communities: Size,
    scale: number,
    lambda: number,
    bounded: number,
  ): number
  sbmAttention(
    workspace: Address,
    scratch: Address,
    qkv: Address,
    queryAffinity: Address,
    keyLoading: Address,
    keys: Address,
    weights: Address,
    out: Address,
    batch: Size,
    tokens: Size,
    heads: Size,
    headWidth: Size,
    communities: Size,
    scale: number,
    delta: number,
    classTokenAlwaysOn: number,
    selfLoop: number,
  ): number
  sbmAttentionGradient(
    workspace: Address,
    scratch: Address,
    qkv: Address,
    queryAffinity: Address,
    keyLoading: Address,
    weights: Address,
    dOut: Address,
    dQkv: Address,
    dQueryAffinity: Address,
    dKeyLoading: Address,
    batch: Size,
    tokens: Size,
    heads: Size,
    headWidth: Size,
    communities: Size,
    scale: number,
    clip: number,
    densityGradient: number,
    classTokenAlwaysOn: number,
    selfLoop: number,
  ): void
  permuteRows(x: Address, y: Address, rank: Size, table: Address, run: Size): void
  adamw(
    p: Address,
    g: Address,
    m: Address,
    v: Address,
    length: Size,
    gradientScale: number,
    b1: number,
    b2: number,
    rate: number,
    correction2: number,
    epsilon: number,
    keep: number,
  ): void
  moveTowards(averaged: Address, current: Address, length: Size, share: number): void
  sumOfSquares(x: Address, length: Size): number
}

/** The part of TF.js' BackendWasm that is used; the version is pinned, and `findMemory` fails where its inside has changed. */
interface WasmBackend {
  readonly wasm: { readonly asm: Readonly<Record<string, unknown>>; _malloc(bytes: number): Address; _free(address: Address): void }
  readonly dataIdMap: { get(dataId: object): { readonly memoryOffset: Address } }
  makeOutput(shape: readonly number[], dtype: 'float32'): tf.TensorInfo
  typedArrayFromHeap(tensor: tf.TensorInfo): Float32Array
  refCount(dataId: object): number
  incRef(dataId: object): void
}

/** Registry names of the fused kernels. */
export const FUSED = {
  linear: 'AttendingLinear',
  linearGradient: 'AttendingLinearGradient',
  gelu: 'AttendingGelu',
  geluGradient: 'AttendingGeluGradient',
  layerNorm: 'AttendingLayerNorm',
  layerNormGradient: 'AttendingLayerNormGradient',
  attention: 'AttendingAttention',
  attentionGradient: 'AttendingAttentionGradient',
  dcmmAttention: 'AttendingDcmmAttention',
  dcmmAttentionGradient: 'AttendingDcmmAttentionGradient',
  sbmAttention: 'AttendingSbmAttention',
  sbmAttentionGradient: 'AttendingSbmAttentionGradient',
} as const

type Inputs = Readonly<Record<string, tf.TensorInfo>>
type Attributes = Readonly<Record<string, unknown>>
type Kernel = (inputs: Inputs, attributes: Attributes) => tf.TensorInfo | tf.TensorInfo[]

/** The compiled module at work in the backend's memory. */
export interface WasmKernels {
  readonly variant: KernelVariant
  /** Where a tensor lies, for the in-place updates: throws where another tensor shares the memory, which would change as well. */
  ownAddress(tensor: tf.TensorInfo): Address
  address(tensor: tf.TensorInfo): Address
  readonly exports: KernelExports
}

/**
 * Registers every kernel on the running wasm backend; with a native library, large single products are that library's.
 *
 * Throws: Error where the backend's memory can't be found or the module does not compile; the backend is then as it was.
 */
export async function registerWasmKernels(variant: KernelVariant, blas: NativeBlas | null = null): Promise<WasmKernels> {
  const backend = tf.backend() as unknown as WasmBackend
  const memory = findMemory(backend)
  const module = await WebAssembly.compile(await compileKernels(variant))
  const exports = (await WebAssembly.instantiate(module, { env: { memory } })).exports as unknown as KernelExports
  const machine = createMachine(backend, memory, exports, blas)
  const shippedTranspose = shippedKernel('Transpose', backend)
  for (const [name, kernel] of Object.entries(kernelsOf(machine, shippedTranspose))) replaceKernel(name, kernel)
  return { variant, exports, address: machine.address, ownAddress: (tensor) => ownAddress(backend, tensor) }
}

function findMemory(backend: WasmBackend): WebAssembly.Memory {
  const memory = Object.values(backend.wasm.asm).find((value) => value instanceof WebAssembly.Memory)
  if (!memory) throw new Error('the wasm backend shows no memory')
  return memory
}

/** The backend's own kernel of that name, before it is replaced. */
function shippedKernel(name: string, backend: object): Kernel {
  const shipped = tf.getKernel(name, 'wasm')
  if (!shipped) throw new Error(`the wasm backend has no kernel ${name}`)
  return (inputs, attributes) => shipped.kernelFunc({ inputs: { ...inputs }, attrs: { ...attributes } as tf.NamedAttrMap, backend }) as tf.TensorInfo
}

function replaceKernel(name: string, kernel: Kernel): void {
  if (tf.getKernel(name, 'wasm')) tf.unregisterKernel(name, 'wasm')
  tf.registerKernel({ kernelName: name, backendName: 'wasm', kernelFunc: ({ inputs, attrs }) => kernel(inputs as Inputs, (attrs ?? {}) as Attributes) })
}

function ownAddress(backend: WasmBackend, tensor: tf.TensorInfo): Address {
  const owners = backend.refCount(tensor.dataId)
  if (owners !== 1) throw new Error(`${owners} tensors share the memory that is to be changed in place`)
  return backend.dataIdMap.get(tensor.dataId).memoryOffset
}

/** Memory and shapes for the kernels below: the module, its workspace, outputs and a scratch area that grows as needed. */
interface Machine {
  readonly exports: KernelExports
  readonly workspace: Address
  /** out [m, n] = a b: a [m, k] or, transposed, [k, m]; b [k, n] or, transposed, [n, k]. */
  multiply(m: Size, n: Size, k: Size, a: tf.TensorInfo, transposeA: boolean, b: tf.TensorInfo, transposeB: boolean, out: tf.TensorInfo): void
  address(tensor: tf.TensorInfo | undefined): Address
  output(shape: readonly number[]): tf.TensorInfo
  scratch(values: number): Address
  scalarOf(tensor: tf.TensorInfo): number
  setScalar(tensor: tf.TensorInfo, value: number): void
  /** Unsigned 32-bit numbers from `address` on. */
  writeIntegers(address: Address, values: readonly number[]): void
  share(tensor: tf.TensorInfo): tf.TensorInfo
}

/** Multiplications below which crossing over to a native library costs more than it saves. */
const NATIVE_FROM = 1e5

function createMachine(backend: WasmBackend, memory: WebAssembly.Memory, exports: KernelExports, blas: NativeBlas | null): Machine {
  let scratchAddress = 0
  let scratchValues = 0
  const workspace = backend.wasm._malloc(exports.workspaceBytes())
  const address = (tensor: tf.TensorInfo | undefined): Address => {
    if (tensor?.dtype !== 'float32') throw new Error(`a float32 tensor is needed, not ${tensor?.dtype}`)
    return backend.dataIdMap.get(tensor.dataId).memoryOffset
  }
  const view = (tensor: tf.TensorInfo): Float32Array => new Float32Array(memory.buffer, address(tensor), tf.util.sizeFromShape(tensor.shape))
  return {
    exports,
    workspace,
    address,
    multiply(m, n, k, a, transposeA, b, transposeB, out) {
      if (blas !== null && m * n * k >= NATIVE_FROM) blas.multiply({ m, n, k, a: view(a), transposeA, b: view(b), transposeB, out: view(out) })
      else exports.batchGemm(workspace, 1, m, n, k, address(a), transposeA ? 1 : k, transposeA ? m : 1, 0, address(b), transposeB ? 1 : n, transposeB ? k : 1, 0, address(out))
    },
    output: (shape) => backend.makeOutput(shape, 'float32'),
    scratch(values) {
      if (values > scratchValues) {
        if (scratchValues > 0) backend.wasm._free(scratchAddress)
        scratchAddress = backend.wasm._malloc(values * 4)
        scratchValues = values
      }
      return scratchAddress
    },
    scalarOf: (tensor) => backend.typedArrayFromHeap(tensor)[0]!,
    setScalar(tensor, value) {
      backend.typedArrayFromHeap(tensor)[0] = value
    },
    // A new view each time: the buffer is another one after the memory has grown.
    writeIntegers: (address, values) => new Uint32Array(memory.buffer, address, values.length).set(values),
    share(tensor) {
      backend.incRef(tensor.dataId)
      return { dataId: tensor.dataId, shape: tensor.shape, dtype: tensor.dtype }
    },
  }
}

function kernelsOf(machine: Machine, shippedTranspose: Kernel): Readonly<Record<string, Kernel>> {
  return {
    BatchMatMul: ({ a, b }, { transposeA, transposeB }) => batchMatMul(machine, a!, b!, transposeA === true, transposeB === true),
    // The backend's own copies the values; nobody writes into a tensor but the in-place updates, which refuse shared memory.
    Identity: ({ x }) => machine.share(x!),
    Transpose: (inputs, attributes) => transpose(machine, inputs['x']!, attributes['perm'] as number[]) ?? shippedTranspose(inputs, attributes),
    [FUSED.linear]: ({ x, weight, bias }) => linear(machine, x!, weight!, bias!),
    [FUSED.linearGradient]: ({ dy, x, weight }) => linearGradient(machine, dy!, x!, weight!),
    [FUSED.gelu]: ({ x }) => gelu(machine, x!),
    [FUSED.geluGradient]: ({ x, dy }) => geluGradient(machine, x!, dy!),
    [FUSED.layerNorm]: ({ x, weight, bias }, { epsilon }) => layerNorm(machine, x!, weight!, bias!, epsilon as number),
    [FUSED.layerNormGradient]: ({ dy, standard, inverse, weight }) => layerNormGradient(machine, dy!, standard!, inverse!, weight!),
    [FUSED.attention]: ({ qkv }, { heads }) => attention(machine, qkv!, heads as number),
    [FUSED.attentionGradient]: ({ qkv, weights, dy }, { heads }) => attentionGradient(machine, qkv!, weights!, dy!, heads as number),
    [FUSED.dcmmAttention]: (inputs, { heads, bounded }) => dcmmAttention(machine, inputs, heads as number, bounded === true),
    [FUSED.dcmmAttentionGradient]: (inputs, { heads, bounded }) => dcmmAttentionGradient(machine, inputs, heads as number, bounded === true),
    [FUSED.sbmAttention]: (inputs, attributes) => sbmAttention(machine, inputs, attributes as unknown as SbmAttributes),
    [FUSED.sbmAttentionGradient]: (inputs, attributes) => sbmAttentionGradient(machine, inputs, attributes as unknown as SbmAttributes),
  }
}

/** a [..., m, k], b [..., k, n], either transposed; batch axes broadcast as a whole (equal, or one of them of size 1). */
function batchMatMul(machine: Machine, a: tf.TensorInfo, b: tf.TensorInfo, transposeA: boolean, transposeB: boolean): tf.TensorInfo {
  const [aRows, aColumns] = a.shape.slice(-2) as [number, number]
  const [bRows, bColumns] = b.shape.slice(-2) as [number, number]
  const m = transposeA ? aColumns : aRows
  const k = transposeA ? aRows : aColumns
  const n = transposeB ? bRows : bColumns
  if (k !== (transposeB ? bColumns : bRows)) throw new Error(`matMul of [${a.shape}] and [${b.shape}]: the inner axes differ`)
  const aBatch = a.shape.slice(0, -2)
  const bBatch = b.shape.slice(0, -2)
  const aCount = tf.util.sizeFromShape(aBatch)
  const bCount = tf.util.sizeFromShape(bBatch)
  const outBatch = tf.broadcast_util.assertAndGetBroadcastShape(aBatch, bBatch)
  const count = tf.util.sizeFromShape(outBatch)
  if ((aCount !== count && aCount !== 1) || (bCount !== count && bCount !== 1))
    throw new Error(`matMul of [${a.shape}] and [${b.shape}]: batch axes that broadcast one by one are not supported`)
  const out = machine.output([...outBatch, m, n])
  if (count === 1) {
    machine.multiply(m, n, k, a, transposeA, b, transposeB, out)
    return out
  }
  machine.exports.batchGemm(
    machine.workspace,
    count,
    m,
    n,
    k,
    machine.address(a),
    transposeA ? 1 : aColumns,
    transposeA ? aColumns : 1,
    aCount === 1 ? 0 : m * k,
    machine.address(b),
    transposeB ? 1 : bColumns,
    transposeB ? bColumns : 1,
    bCount === 1 ? 0 : k * n,
    machine.address(out),
  )
  return out
}

/**
 * x with its axes in the order `perm`, where the innermost axes stay in place and can be copied as they lie; null where they move.
 *
 * The backend's own goes value by value, which took half of an SBM training step.
 */
function transpose(machine: Machine, x: tf.TensorInfo, perm: readonly number[]): tf.TensorInfo | null {
  let outer = perm.length
  while (outer > 0 && perm[outer - 1] === outer - 1) outer--
  if (x.dtype !== 'float32' || outer === 0 || outer === perm.length) return null
  const steps = tf.util.computeStrides([...x.shape, 1]) // values from one index to the next, along each axis
  const sizes = perm.map((axis) => x.shape[axis]!)
  const run = tf.util.sizeFromShape(x.shape.slice(outer))
  const y = machine.output(sizes)
  const table = machine.scratch(3 * outer)
  machine.writeIntegers(table, [...sizes.slice(0, outer), ...perm.slice(0, outer).map((axis) => steps[axis]!)])
  machine.exports.permuteRows(machine.address(x), machine.address(y), outer, table, run)
  return y
}

/** x [rows, in], weight [out, in], bias [out]; returns [rows, out] */
function linear(machine: Machine, x: tf.TensorInfo, weight: tf.TensorInfo, bias: tf.TensorInfo): tf.TensorInfo {
  const [rows, inputs] = x.shape as [number, number]
  const [outputs] = weight.shape as [number, number]
  const y = machine.output([rows, outputs])
  machine.multiply(rows, outputs, inputs, x, false, weight, true, y)
  machine.exports.addBias(machine.address(y), machine.address(bias), rows, outputs)
  return y
}

/** dy [rows, out]; returns dx [rows, in], dWeight [out, in], dBias [out] */
function linearGradient(machine: Machine, dy: tf.TensorInfo, x: tf.TensorInfo, weight: tf.TensorInfo): tf.TensorInfo[] {
  const [rows, inputs] = x.shape as [number, number]
  const [outputs] = weight.shape as [number, number]
  const dx = machine.output([rows, inputs])
  const dWeight = machine.output([outputs, inputs])
  const dBias = machine.output([outputs])
  machine.multiply(rows, inputs, outputs, dy, false, weight, false, dx)
  machine.multiply(outputs, inputs, rows, dy, true, x, false, dWeight)
  machine.exports.columnSums(machine.address(dy), machine.address(dBias), rows, outputs)
  return [dx, dWeight, dBias]
}

function gelu(machine: Machine, x: tf.TensorInfo): tf.TensorInfo {
  const y = machine.output(x.shape)
  machine.exports.gelu(machine.address(x), machine.address(y), tf.util.sizeFromShape(x.shape))
  return y
}

function geluGradient(machine: Machine, x: tf.TensorInfo, dy: tf.TensorInfo): tf.TensorInfo {
  const dx = machine.output(x.shape)
  machine.exports.geluGradient(machine.address(x), machine.address(dy), machine.address(dx), tf.util.sizeFromShape(x.shape))
  return dx
}

/** x [..., width]; returns y as x, standard as x, inverse [rows] */
function layerNorm(machine: Machine, x: tf.TensorInfo, weight: tf.TensorInfo, bias: tf.TensorInfo, epsilon: number): tf.TensorInfo[] {
  const { rows, width } = rowsOf(x)
  const { exports, address } = machine
  const y = machine.output(x.shape)
  const standard = machine.output(x.shape)
  const inverse = machine.output([rows])
  exports.layerNorm(address(x), address(weight), address(bias), address(y), address(standard), address(inverse), rows, width, epsilon)
  return [y, standard, inverse]
}

function layerNormGradient(machine: Machine, dy: tf.TensorInfo, standard: tf.TensorInfo, inverse: tf.TensorInfo, weight: tf.TensorInfo): tf.TensorInfo[] {
  const { rows, width } = rowsOf(standard)
  const { exports, address } = machine
  const dx = machine.output(standard.shape)
  const dWeight = machine.output([width])
  const dBias = machine.output([width])
  exports.layerNormGradient(address(dy), address(standard), address(inverse), address(weight), address(dx), address(dWeight), address(dBias), rows, width)
  return [dx, dWeight, dBias]
}

function rowsOf(tensor: tf.TensorInfo): { rows: number; width: number } {
  const width = tensor.shape.at(-1) ?? 1
  return { rows: tf.util.sizeFromShape(tensor.shape) / width, width }
}

/** The sizes that a qkv tensor [batch, token, 3 width] and a number of heads state. */
function attentionSizes(qkv: tf.TensorInfo, heads: number): { batch: number; tokens: number; width: number; headWidth: number; scale: number } {
  const [batch, tokens, threeWidths] = qkv.shape as [number, number, number]
  const width = threeWidths / 3
  const headWidth = width / heads
  if (!Number.isInteger(headWidth)) throw new Error(`qkv [${qkv.shape}] does not fit ${heads} heads`)
  return { batch, tokens, width, headWidth, scale: 1 / Math.sqrt(headWidth) }
}

/** Returns the joined heads [batch, token, width] and the weights [batch, head, token, token]. */
function attention(machine: Machine, qkv: tf.TensorInfo, heads: number): tf.TensorInfo[] {
  const { batch, tokens, width, headWidth, scale } = attentionSizes(qkv, heads)
  const { exports, workspace, address } = machine
  const out = machine.output([batch, tokens, width])
  const weights = machine.output([batch, heads, tokens, tokens])
  exports.attention(workspace, address(qkv), address(weights), address(out), batch, tokens, heads, headWidth, scale)
  return [out, weights]
}

function attentionGradient(machine: Machine, qkv: tf.TensorInfo, weights: tf.TensorInfo, dy: tf.TensorInfo, heads: number): tf.TensorInfo {
  const { batch, tokens, headWidth, scale } = attentionSizes(qkv, heads)
  const { exports, workspace, address } = machine
  const dQkv = machine.output(qkv.shape)
  exports.attentionGradient(workspace, machine.scratch(tokens * tokens), address(qkv), address(weights), address(dy), address(dQkv), batch, tokens, heads, headWidth, scale)
  return dQkv
}

/** Returns the joined heads, the weights and M, the last two [batch, head, token, token]. */
function dcmmAttention(machine: Machine, { qkv, membership, block, degree, biasScale }: Inputs, heads: number, bounded: boolean): tf.TensorInfo[] {
  const { batch, tokens, width, headWidth, scale } = attentionSizes(qkv!, heads)
  const communities = membership!.shape[3]!
  const { exports, workspace, address } = machine
  const out = machine.output([batch, tokens, width])
  const weights = machine.output([batch, heads, tokens, tokens])
  const affinity = machine.output([batch, heads, tokens, tokens])
  exports.dcmmAttention(
    workspace,
    machine.scratch(tokens * communities),
    address(qkv),
    address(membership),
    address(block),
    address(degree),
    address(weights),
    address(affinity),
    address(out),
    batch,
    tokens,
    heads,
    headWidth,
    communities,
    scale,
    machine.scalarOf(biasScale!),
    bounded ? 1 : 0,
  )
  return [out, weights, affinity]
}

/** Returns the gradients of qkv, membership, block, degree and biasScale. */
function dcmmAttentionGradient(machine: Machine, inputs: Inputs, heads: number, bounded: boolean): tf.TensorInfo[] {
  const { qkv, membership, block, degree, biasScale, weights, affinity, dy } = inputs
  const { batch, tokens, headWidth, scale } = attentionSizes(qkv!, heads)
  const communities = membership!.shape[3]!
  const { exports, workspace, address } = machine
  const [dQkv, dMembership, dBlock, dDegree, dBiasScale] = [qkv!, membership!, block!, degree!, biasScale!].map(({ shape }) => machine.output(shape)) as [
    tf.TensorInfo,
    tf.TensorInfo,
    tf.TensorInfo,
    tf.TensorInfo,
    tf.TensorInfo,
  ]
  const dLambda = exports.dcmmAttentionGradient(
    workspace,
    machine.scratch(2 * tokens * (tokens + communities)),
    address(qkv),
    address(membership),
    address(block),
    address(degree),
    address(weights),
    address(affinity),
    address(dy),
    address(dQkv),
    address(dMembership),
    address(dBlock),
    address(dDegree),
    batch,
    tokens,
    heads,
    headWidth,
    communities,
    scale,
    machine.scalarOf(biasScale!),
    bounded ? 1 : 0,
  )
  machine.setScalar(dBiasScale, dLambda)
  return [dQkv, dMembership, dBlock, dDegree, dBiasScale]
}

/** What a sampled attention is asked with; see SbmCore. */
export interface SbmAttributes {
  readonly heads: number
  readonly keys: readonly number[]
  readonly delta: number
  readonly clip: number
  readonly densityGradient: number
  readonly classTokenAlwaysOn: boolean
  readonly selfLoop: boolean
}

/** Returns the joined heads, the weights [batch, head, token, token], and how many edges there are among those not forced, [1]. */
function sbmAttention(machine: Machine, { qkv, queryAffinity, keyLoading }: Inputs, attributes: SbmAttributes): tf.TensorInfo[] {
  const { heads, keys, delta, classTokenAlwaysOn, selfLoop } = attributes
  const { batch, tokens, width, headWidth, scale } = attentionSizes(qkv!, heads)
  const communities = keyLoading!.shape[3]!
  if (keys.length !== batch) throw new Error(`${keys.length} keys for ${batch} images`)
  const { exports, workspace, address } = machine
  const out = machine.output([batch, tokens, width])
  const weights = machine.output([batch, heads, tokens, tokens])
  const edges = machine.output([1])
  const scratch = machine.scratch(tokens * tokens * (heads + 1) + batch)
  const keysAddress = scratch + 4 * tokens * tokens * (heads + 1)
  machine.writeIntegers(keysAddress, keys)
  const count = exports.sbmAttention(
    workspace,
    scratch,
    address(qkv),
    address(queryAffinity),
    address(keyLoading),
    keysAddress,
    address(weights),
    address(out),
    batch,
    tokens,
    heads,
    headWidth,
    communities,
    scale,
    delta,
    classTokenAlwaysOn ? 1 : 0,
    selfLoop ? 1 : 0,
  )
  machine.setScalar(edges, count)
  return [out, weights, edges]
}

/** Returns the gradients of qkv, queryAffinity and keyLoading. */
function sbmAttentionGradient(machine: Machine, { qkv, queryAffinity, keyLoading, weights, dy }: Inputs, attributes: SbmAttributes): tf.TensorInfo[] {
  const { heads, clip, densityGradient, classTokenAlwaysOn, selfLoop } = attributes
  const { batch, tokens, headWidth, scale } = attentionSizes(qkv!, heads)
  const { exports, workspace, address } = machine
  const dQkv = machine.output(qkv!.shape)
  const dQueryAffinity = machine.output(queryAffinity!.shape)
  const dKeyLoading = machine.output(keyLoading!.shape)
  exports.sbmAttentionGradient(
    workspace,
    machine.scratch(2 * tokens * tokens),
    address(qkv),
    address(queryAffinity),
    address(keyLoading),
    address(weights),
    address(dy),
    address(dQkv),
    address(dQueryAffinity),
    address(dKeyLoading),
    batch,
    tokens,
    heads,
    headWidth,
    keyLoading!.shape[3]!,
    scale,
    clip,
    densityGradient,
    classTokenAlwaysOn ? 1 : 0,
    selfLoop ? 1 : 0,
  )
  return [dQkv, dQueryAffinity, dKeyLoading]
}
