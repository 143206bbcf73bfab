/** A valid request with a multipart body and a random source in, a spoilt one out: boundaries, headers, lengths, parts, and the way that it is sent. */

import { type BodyPart, CANARY, exactLength, type Form, form, type Message, part, writeForm, writeMessage } from './multipart-seeds.ts'
import { EDGES, mutate } from './mutate.ts'
import type { Random } from './random.ts'
import { spoilBytes } from './spoil-bytes.ts'

/** A request and how it is brought to the server. */
export interface MultipartCase {
  readonly bytes: Uint8Array
  /** Bytes of the pieces that it is sent in, over and over; none sends it whole. */
  readonly pieceBytes: readonly number[]
  /** After each piece, turns of the event loop for the server. */
  readonly turns: number
  /** 'wait' closes once the server has; 'stay' does not even then; 'end' closes our side at once, 'reset' breaks the connection, 'silent' says no more. */
  readonly ending: 'wait' | 'stay' | 'end' | 'reset' | 'silent'
  /** What becomes of an instance or an image that the server hands on. */
  readonly accept: 'at once' | 'later' | 'full' | 'broken'
}

type Mutation = (message: Message, random: Random, others: readonly Message[]) => void
type PartMutation = (part: BodyPart, random: Random, form: Form) => void

/** Few, so that most of a request is understood; a case without any only comes strangely. */
const MUTATIONS_OF_A_CASE = [0, 1, 1, 1, 2, 2, 3, 4]
/** More than any door takes. */
const MANY_PARTS = 2500
/** Of the fields of a part that is copied so often: else a request has hundreds of megabytes, which take the fuzzer seconds to write. */
const MOST_COPIED_FIELD_BYTES = 200
/** Around the limits of a part's head, of a request's head and of a body. */
const LONG = [1000, 8190, 8192, 8194, 17_000, 65_535, 65_536, 65_537, 90_000]

const BOUNDARIES = ['a', '-', '--', "'()+_,-./:=?", 'a b', 'a ', '', 'x"y', 'x\\"y', '.*', '\xe9', '\0', 'b-0123456789abcdeF', 'b'.repeat(70), 'b'.repeat(71), 'b'.repeat(5000)]
const TYPES = [
  'multipart/related',
  'multipart/form-data',
  'multipart/mixed',
  'multipart/',
  'application/dicom',
  'image/png',
  'text/plain',
  'Multipart/Form-Data ',
  '',
  '\t',
  'a/b/c',
  ',',
]
const PARAMETERS = [
  'charset=utf-8',
  'start="<a@b>"',
  'type="application/dicom"',
  'type=application/octet-stream',
  'type="application/dicom+json"',
  'type=""',
  'type',
  '=',
  '"',
  'boundary',
  'boundary=other',
  'boundary="b-0123456789abcdef"',
  'BOUNDARY=b-0123456789abcdef',
  "boundary*=utf-8''b-0123456789abcdef",
  `name=${CANARY}`,
  `x="${'\\"'.repeat(500)}`,
  `x=${'y'.repeat(9000)}`,
]
const LINE_ENDS = ['\n', '\r', '', '\r\n\r\n', ' \t\r\n', 'x\r\n', ' '.repeat(9000), '\0\r\n', '--\r\n', '-\r\n']
const CLOSINGS = ['', '--', '\r\n', '-', '--x\r\n', '-- \r\n', '--\r\n\r\n', '--\n', ' --\r\n']
const PART_FIELDS = [
  'Content-Transfer-Encoding: base64',
  'Content-Transfer-Encoding: quoted-printable',
  'Content-Transfer-Encoding: binary',
  'Content-Transfer-Encoding: nonsense',
  'Content-Encoding: gzip',
  'Content-Length: 0',
  'Content-Length: 4',
  'Content-Length: 99999999999999999999',
  'Content-Length: -1',
  'Content-Type: application/dicom+json',
  'Content-Type: application/dicom; transfer-syntax=*',
  'Content-Type: multipart/mixed; boundary=inner',
  'Content-Type:',
  ': nothing',
  'no colon',
  ' folded: line',
  '\tfolded',
  'Content-Location: http://127.0.0.1:1/',
  '__proto__: x',
  'constructor: x',
  'X-\0: \0',
  'X-\xff: \xff',
  'Content-Disposition: form-data; name="file"; filename="a.png"',
  'Content-Disposition: form-data; name="file"',
  'Content-Disposition: form-data; name=file; filename=a',
  'Content-Disposition: form-data; name="__proto__"; filename="x"',
  'Content-Disposition: form-data; name="file[]"; filename="x"',
  'Content-Disposition: form-data; name="file[a][b][c]"',
  'Content-Disposition: form-data; filename="x"',
  'Content-Disposition: form-data; name="file"; filename=""',
  `Content-Disposition: form-data; name="file"; filename="../../${CANARY}"`,
  `Content-Disposition: form-data; name="file"; filename*=utf-8''%00${CANARY}%zz`,
  `Content-Disposition: form-data; name="file"; filename*=nonsense''${CANARY}`,
  `Content-Disposition: form-data; name="file; filename="${CANARY}`,
  'Content-Disposition: attachment; name="file"; filename="x"',
  'Content-Disposition:',
]
const HEAD_FIELDS = [
  'Host: b',
  'Host:',
  'Expect: 100-continue',
  'Expect: 200-nothing',
  'Content-Encoding: gzip',
  'Content-Encoding: identity',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding : chunked',
  'Content-Length: 0',
  'Content-Type: image/png',
  'Connection: keep-alive',
  'Connection: upgrade\r\nUpgrade: h2c',
  'Upgrade: websocket',
  'Accept: text/html',
  'Accept: application/dicom+xml',
  'Range: bytes=0-1',
  'Trailer: X-A',
  `User-Agent: ${CANARY}`,
  'X-\xe9: \xe9',
  'X-\0: a',
  ' folded',
  'no colon',
]
const LENGTHS: readonly NonNullable<Message['framing']['length']>[] = [
  () => '0',
  () => '-1',
  () => '1e3',
  () => '0x10',
  () => '',
  () => '99999999999999999999',
  () => '9007199254740991',
  (bytes) => `+${bytes}`,
  (bytes) => `${bytes}, ${bytes}`,
  (bytes) => `${bytes}\r\nContent-Length: ${bytes + 1}`,
  (bytes) => `0${bytes}`,
]
const LAST_CHUNKS = [
  '',
  '0',
  '0\r\n',
  '0\r\nX-Trailer: a\r\n\r\n',
  `0\r\nX-Trailer: ${'a'.repeat(17_000)}\r\n\r\n`,
  '00000000\r\n\r\n',
  '-1\r\n\r\n',
  'g\r\n\r\n',
  'ffffffffffffffff1\r\n',
  '0\r\n\r\nGET / HTTP/1.1\r\n\r\n',
]
const EXTENSIONS = ['', ';a=b', ';a="b\\""', ' ', ';', `;${'x'.repeat(17_000)}`, '\t', 'g']

const PART_MUTATIONS: readonly PartMutation[] = [
  (each, random, { boundary }) => {
    each.delimiter = random.pick([
      `--${boundary}x`,
      `--${boundary.slice(0, -1)}`,
      `-${boundary}`,
      `--${boundary.toUpperCase()}`,
      '',
      ` --${boundary}`,
      `--${random.pick(BOUNDARIES)}`,
    ])
  },
  (each, random) => {
    each.ending = random.pick(LINE_ENDS)
  },
  (each, random) => {
    each.blank = random.pick(LINE_ENDS)
  },
  (each, random) => {
    each.fields.splice(random.below(each.fields.length + 1), random.below(2), random.pick(PART_FIELDS))
  },
  (each, random) => {
    each.fields.splice(random.below(each.fields.length + 1), random.below(2), random.pick(PART_FIELDS))
  },
  (each, random) => {
    each.fields.splice(0, random.below(each.fields.length + 1))
  },
  (each, random) => {
    each.fields.push(...new Array<string>(random.pick([2, 20, 200, 2000])).fill(random.pick(PART_FIELDS)))
  },
  (each, random) => {
    each.fields.push(`${random.pick(['X', 'Content-Type', 'Content-Disposition'])}: ${random.pick(['x', ';', '"', '=', ' ']).repeat(random.pick(LONG))}`)
  },
  encodeContent,
  spoilContent,
  spoilContent,
  spoilContent,
  nest,
]

const MUTATIONS: readonly Mutation[] = [
  ({ body }, random) => onPart(body, random, random.pick(PART_MUTATIONS)),
  ({ body }, random) => onPart(body, random, random.pick(PART_MUTATIONS)),
  ({ body }, random) => onPart(body, random, random.pick(PART_MUTATIONS)),
  ({ body }, random) => onPart(body, random, random.pick(PART_MUTATIONS)),
  spoilForm,
  spoilForm,
  countParts,
  countParts,
  transplantPart,
  spoilType,
  spoilType,
  spoilHead,
  spoilHead,
  spoilFraming,
  spoilFraming,
]

/** The case that the numbers make of the seeds. */
export function buildMultipartCase(seeds: readonly Message[], random: Random): MultipartCase {
  const message = copyMessage(random.pick(seeds))
  for (let left = random.pick(MUTATIONS_OF_A_CASE); left > 0; left--) random.pick(MUTATIONS)(message, random, seeds)
  const bytes = spoilBytes(writeMessage(message), random)
  const ending = random.below(8) > 0 ? 'wait' : random.pick(['stay', 'stay', 'end', 'reset', 'reset', 'silent'] as const)
  const isAmid = ending !== 'wait' && ending !== 'stay' && random.below(4) > 0
  return {
    bytes: isAmid ? bytes.subarray(0, 1 + random.below(bytes.length)) : bytes,
    pieceBytes: random.below(4) > 0 ? [] : Array.from({ length: 1 + random.below(4) }, () => 1 + random.below(random.pick([1, 9, 200]))),
    turns: random.pick([0, 0, 1, 3]),
    ending,
    accept: random.pick(['at once', 'at once', 'at once', 'later', 'full', 'broken'] as const),
  }
}

function copyMessage(message: Message): Message {
  return { ...message, fields: [...message.fields], parameters: [...message.parameters], framing: { ...message.framing }, body: copyBody(message.body) }
}

function copyBody<T extends Uint8Array | Form>(body: T): T {
  if (body instanceof Uint8Array) return body
  return { ...body, parts: body.parts.map((each) => ({ ...each, fields: [...each.fields], content: copyBody(each.content) })) }
}

/** A part of any depth; nothing where there is none. */
function onPart(body: Message['body'], random: Random, mutation: PartMutation): void {
  if (body instanceof Uint8Array || body.parts.length === 0) return
  const each = random.pick(body.parts)
  if (each.content instanceof Uint8Array || random.below(2) === 0) mutation(each, random, body)
  else onPart(each.content, random, mutation)
}

/** Truly encoded, or only said to be. */
function encodeContent(each: BodyPart, random: Random): void {
  const bytes = Buffer.from(contentOf(each))
  const encoding = random.pick(['base64', 'hex', 'utf8'] as const)
  each.content = random.below(4) === 0 ? each.content : Buffer.from(bytes.toString(encoding))
  each.fields.push(`Content-Transfer-Encoding: ${random.pick([encoding, 'base64', '8bit'])}`)
}

function contentOf({ content }: BodyPart): Uint8Array {
  return content instanceof Uint8Array ? content : writeForm(content)
}

function spoilContent(each: BodyPart, random: Random, { boundary }: Form): void {
  const bytes = contentOf(each)
  const at = random.below(bytes.length + 1)
  const within = (text: string): Buffer => Buffer.concat([bytes.subarray(0, at), Buffer.from(text, 'latin1'), bytes.subarray(at)])
  switch (random.below(8)) {
    case 0:
      each.content = new Uint8Array(0)
      return
    case 1:
      each.content = bytes.subarray(0, at)
      return
    case 2:
      each.content = Buffer.concat([bytes, new Uint8Array(random.pick(LONG))])
      return
    case 3:
      // exactly at the limit, or a byte beside it
      each.content = Buffer.concat([bytes, new Uint8Array(Math.max(0, random.pick(LONG) - bytes.length))])
      return
    case 4:
      each.content = within(
        random.pick([`\r\n--${boundary}`, `\r\n--${boundary}--\r\n`, `\n--${boundary}\r\n`, `\r\n--${boundary}\r\n\r\n`, `--${boundary}`, '\r\n--', '\r\n', '\r\n\r\n', '\r']),
      )
      return
    case 5:
      each.content = within(`\r\n--${boundary}`.slice(0, -1).repeat(1 + random.below(200)))
      return
    default:
      each.content = bytes.length === 0 ? bytes : mutate(bytes, random)
  }
}

/** A multipart within the part, of another boundary, of the same, or of one that begins as it. */
function nest(each: BodyPart, random: Random, { boundary }: Form): void {
  for (let depth = random.pick([1, 1, 2, 50]); depth > 0; depth--) {
    const inner = random.pick(['inner', boundary, `${boundary}x`])
    each.content = form([part(each.content, each.fields)], inner)
    each.fields = [`Content-Type: multipart/mixed; boundary=${inner}`, ...each.fields.filter((field) => /^content-disposition/i.test(field))]
  }
}

function spoilForm({ body, parameters }: Message, random: Random): void {
  if (body instanceof Uint8Array) return
  switch (random.below(5)) {
    case 0: {
      // in the body and in the head, or in one of them
      const [boundary, quote] = [random.pick(BOUNDARIES), random.pick(['', '"'])]
      if (random.below(4) > 0) body.boundary = boundary
      const at = parameters.findIndex((parameter) => parameter.startsWith('boundary='))
      if (at >= 0 && random.below(4) > 0) parameters[at] = `boundary=${quote}${boundary}${quote}`
      return
    }
    case 1:
      body.closing = random.pick(CLOSINGS)
      return
    case 2:
      body.preamble = random.pick(['\r\n', 'preamble', `x--${body.boundary}`, `--${body.boundary}\r\n\r\n`, 'x'.repeat(random.pick(LONG)), '\0', '\r', '-'])
      return
    case 3:
      body.epilogue = random.pick(['\r\n', 'epilogue', `--${body.boundary}\r\n\r\nx\r\n--${body.boundary}--`, 'x'.repeat(random.pick(LONG)), 'GET / HTTP/1.1\r\n\r\n'])
      return
    default:
      body.epilogue = writeForm(body).toString('latin1')
  }
}

function countParts({ body }: Message, random: Random): void {
  if (body instanceof Uint8Array || body.parts.length === 0) return
  const at = random.below(body.parts.length)
  const each = body.parts[at]!
  const copies = (count: number): BodyPart[] => Array.from({ length: count }, () => ({ ...each, fields: [...each.fields] }))
  switch (random.below(5)) {
    case 0:
      body.parts.splice(at, 1)
      return
    case 1:
      body.parts.splice(at, 0, ...copies(random.pick([1, 2, 14, 15, 16, 17])))
      return
    case 2:
      each.content = contentOf(each).subarray(0, 4)
      if (each.fields.join('').length > MOST_COPIED_FIELD_BYTES) each.fields = []
      body.parts = copies(MANY_PARTS)
      return
    case 3:
      body.parts.push(part(new Uint8Array(0), []))
      return
    default:
      body.parts.reverse()
  }
}

/** A part of another request, or of the other door's. */
function transplantPart({ body }: Message, random: Random, others: readonly Message[]): void {
  const other = copyBody(random.pick(others).body)
  if (body instanceof Uint8Array || other instanceof Uint8Array || other.parts.length === 0) return
  body.parts.splice(random.below(body.parts.length + 1), random.below(2), random.pick(other.parts))
}

function spoilType(message: Message, random: Random): void {
  const { parameters } = message
  switch (random.below(4)) {
    case 0:
      message.mediaType = random.pick(TYPES)
      return
    case 1:
      parameters.splice(random.below(parameters.length + 1), 1)
      return
    default:
      parameters.splice(random.below(parameters.length + 1), random.below(2), random.pick(PARAMETERS))
  }
}

function spoilHead(message: Message, random: Random): void {
  const { fields } = message
  switch (random.below(8)) {
    case 0:
      fields.splice(random.below(fields.length + 1), 1)
      return
    case 1:
      message.version = random.pick(['1.0', '1.0', '0.9', '2.0', '1.1 ', '1.', ''])
      return
    case 2:
      message.method = random.pick(['PUT', 'GET', 'post', 'CONNECT', 'OPTIONS', 'BREW', '', 'PRI'])
      return
    case 3:
      fields.push(`X-Long: ${'x'.repeat(random.pick(LONG))}`)
      return
    case 4:
      fields.push(...new Array<string>(random.pick([10, 100, 3000])).fill(random.pick(HEAD_FIELDS)))
      return
    default:
      fields.splice(random.below(fields.length + 1), random.below(2), random.pick(HEAD_FIELDS))
  }
}

function spoilFraming({ framing }: Message, random: Random): void {
  const lie = random.below(3) === 0 ? random.pick(EDGES) : random.below(65) - 32
  switch (random.below(6)) {
    case 0:
      framing.length = (bytes) => String(Math.max(0, bytes + lie))
      return
    case 1:
      framing.length = random.pick(LENGTHS)
      return
    case 2:
      framing.length = random.pick([null, exactLength])
      framing.chunkBytes = random.pick([null, [1], [1, 2, 3], [1000], [100_000]])
      return
    case 3:
      framing.chunkBytes ??= [500]
      framing.chunkLie = lie
      return
    case 4:
      framing.chunkBytes ??= [500]
      framing.extension = random.pick(EXTENSIONS)
      return
    default:
      framing.chunkBytes ??= [500]
      framing.lastChunk = random.pick(LAST_CHUNKS)
  }
}
