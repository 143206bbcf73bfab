/**
 * CounterUniform: uniform numbers that depend on an image's seed and an entry's place alone. The bits are those of
 * src/tensor/counter-random.ts, computed in wrapping uint32: ONNX's own random operations can't repeat a request.
 */
import { int, NodeList } from '../onnx/node-list.ts'
import type { OnnxFunction, OnnxNode } from '../onnx/onnx-model.ts'
import { COMMUNITY_DOMAIN } from './domain.ts'

export const COUNTER_UNIFORM = 'CounterUniform'

const UINT32 = int(12)
const FLOAT = int(1)
/** 2^32 over the golden ratio; see mixKey. */
const GOLDEN = 0x9e3779b9

/** A call: seed [batch] uint32 becomes uniform [batch, head, token, token] float in [0, 1). */
export function counterUniformNode(seed: string, output: string, layer: number, heads: number, tokens: number): OnnxNode {
  return { type: COUNTER_UNIFORM, domain: COMMUNITY_DOMAIN, inputs: [seed], outputs: [output], attributes: { layer: int(layer), heads: int(heads), tokens: int(tokens) } }
}

/** The body: u = (lowbias32(mixKey(seed, layer) ^ lowbias32(counter)) >> 8) 2^-24 with counter = (head tokens + query) tokens + key. */
export function counterUniformFunction(): OnnxFunction {
  const body = new NodeList('')
  const bits = writeHash(body, body.op('BitwiseXor', [writeKey(body), writeHash(body, writeCounter(body))])) // [b, h, n, n]
  const upper = body.op('Cast', [shiftRight(body, bits, 8)], { to: FLOAT }) // below 2^24: exact
  body.op('Mul', [upper, body.float(2 ** -24)], {}, 'uniform')
  return {
    domain: COMMUNITY_DOMAIN,
    name: COUNTER_UNIFORM,
    inputs: ['seed'],
    outputs: ['uniform'],
    required: ['layer', 'heads', 'tokens'],
    defaults: {},
    nodes: body.nodes,
    doc: 'counter-based uniform numbers in [0, 1), multiples of 2^-24; see docs/custom-ops.md',
  }
}

/** lowbias32(seed ^ lowbias32(layer + GOLDEN)), [b, 1, 1, 1]; the inner hash is a constant that a runtime folds. */
function writeKey(body: NodeList): string {
  const layer = body.op('Cast', [body.attribute('layer', 'int')], { to: UINT32 })
  const part = writeHash(body, body.op('Add', [layer, body.uint32(GOLDEN)]))
  const perImage = body.op('Unsqueeze', ['seed', body.ints(1, 2, 3)])
  return writeHash(body, body.op('BitwiseXor', [perImage, part]))
}

/** 0, 1, 2, ... as [head, token, token] uint32. */
function writeCounter(body: NodeList): string {
  const one = body.ints(1)
  const heads = body.op('Reshape', [body.attribute('heads', 'int'), one])
  const tokens = body.op('Reshape', [body.attribute('tokens', 'int'), one])
  const shape = body.op('Concat', [heads, tokens, tokens], { axis: int(0) })
  const size = body.op('ReduceProd', [shape], { keepdims: int(0) })
  const counter = body.op('Range', [body.int(0), size, body.int(1)])
  return body.op('Cast', [body.op('Reshape', [counter, shape])], { to: UINT32 })
}

/** The finalizer lowbias32; products wrap. */
function writeHash(body: NodeList, value: string): string {
  const first = body.op('Mul', [xorShift(body, value, 16), body.uint32(0x7feb352d)])
  const second = body.op('Mul', [xorShift(body, first, 15), body.uint32(0x846ca68b)])
  return xorShift(body, second, 16)
}

function xorShift(body: NodeList, value: string, bits: number): string {
  return body.op('BitwiseXor', [value, shiftRight(body, value, bits)])
}

function shiftRight(body: NodeList, value: string, bits: number): string {
  return body.op('BitShift', [value, body.uint32(bits)], { direction: { kind: 'string', value: 'RIGHT' } })
}
