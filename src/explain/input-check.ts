/** An image on its way through the network in, whether it is what the model was trained on out: stated terms, gray values, and where its class token lies. */
import type { DecodedImage, InputTensor } from '../domain/image.ts'
import { BAD_VERDICTS, type InputCheck, type ScopeFinding, type ScopeVerdict } from '../domain/input-check.ts'
import { GRAY_BINS, type InputStatistics, type Manifest } from '../domain/manifest.ts'
import type { ModelOutputs } from '../domain/outputs.ts'
import { Problem } from '../domain/problem.ts'
import { entropyBits, grayHistogram, wassersteinDistance } from '../tensor/gray-histogram.ts'
import { nearestMean } from '../tensor/mahalanobis.ts'

/** Half a step of 8 bits: what lies closer to black or white is saturated, and what spans less is empty. */
const HALF_STEP = 0.5 / 255

/**
 * The verdict on one image with its reasons. Nothing is refused here.
 *
 * outputs  hold `embedding` where the manifest has statistics of it
 *
 * Throws: "output-missing" where it was not fetched; "shape-mismatch" where it has another width.
 */
export function checkInput(manifest: Manifest, { facts, anatomy }: DecodedImage, input: InputTensor, outputs: ModelOutputs): InputCheck {
  const { modalities, bodyParts = [], views = [] } = manifest.input
  const statistics = manifest.inputCheck ?? null
  const grays = grayHistogram(input.pixels.data, manifest.input.mean, manifest.input.deviation, GRAY_BINS)
  const findings = [
    checkTerm('modality', facts.modality, modalities, 'unusual'),
    checkTerm('body-part', anatomy?.bodyPart ?? null, bodyParts, 'out-of-scope'),
    checkTerm('view', anatomy?.view ?? null, views, 'unusual'),
    checkContent(manifest, input),
    checkHistogram(grays, statistics),
    checkEmbedding(manifest, outputs, statistics),
  ]
  return { ...judge(findings), findings, statistics: { saturatedShare: saturatedShare(manifest, input), entropyBits: entropyBits(grays) } }
}

/** The worst verdict and the sentences behind it. Without any distance measured, an image that nothing speaks against was not checked. */
function judge(findings: readonly ScopeFinding[]): Pick<InputCheck, 'verdict' | 'reasons'> {
  const worst = BAD_VERDICTS.find((verdict) => findings.some((finding) => finding.verdict === verdict))
  const verdict = worst ?? (findings.some(({ distance }) => distance !== null) ? 'in-scope' : 'not-checked')
  if (verdict === 'in-scope') return { verdict, reasons: [] }
  const isMeasure = ({ check }: ScopeFinding): boolean => check === 'gray-histogram' || check === 'embedding'
  const behind = findings.filter((finding) => finding.verdict === verdict && (verdict !== 'not-checked' || isMeasure(finding)))
  return { verdict, reasons: behind.map(({ detail }) => detail) }
}

const UNMEASURED = { value: null, distance: null, unusualAbove: null, outOfScopeAbove: null } as const

/** What an image of another term is to the model. A view is of the same part, and may be answered as well: nobody measured it. */
const CONTRAST: Readonly<Record<'modality' | 'body-part' | 'view', (allowed: string) => string>> = {
  modality: (allowed) => `the model was made for ${allowed}`,
  'body-part': (allowed) => `the model was made for ${allowed}`,
  view: (allowed) => `the model learned from ${allowed} alone, and what it was measured to be worth does not hold for other views`,
}

/** A term that the file states, held against those that the model was made for. */
function checkTerm(check: 'modality' | 'body-part' | 'view', value: string | null, allowed: readonly string[], otherwise: ScopeVerdict): ScopeFinding {
  const name = { modality: 'modality', 'body-part': 'body part', view: 'view' }[check]
  const finding = { ...UNMEASURED, check, value }
  if (allowed.length === 0) return { ...finding, verdict: 'not-checked', detail: `The bundle does not say which ${name} its model was made for.` }
  if (value === null) return { ...finding, verdict: 'not-checked', detail: `The file does not state a ${name} in a known term.` }
  if (allowed.includes(value)) return { ...finding, verdict: 'in-scope', detail: `The file states the ${name} ${value}.` }
  return { ...finding, verdict: otherwise, detail: `The file states the ${name} ${value}; ${CONTRAST[check](allowed.join(', '))}.` }
}

/** Values of the network's input in [0, 1], channel after channel. */
function graysOf({ input: { mean, deviation } }: Manifest, { pixels }: InputTensor): Float32Array {
  const plane = pixels.data.length / mean.length
  return pixels.data.map((value, i) => value * (deviation[Math.floor(i / plane)] ?? 1) + (mean[Math.floor(i / plane)] ?? 0))
}

function checkContent(manifest: Manifest, input: InputTensor): ScopeFinding {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const gray of graysOf(manifest, input)) [low, high] = [Math.min(low, gray), Math.max(high, gray)]
  const isEmpty = high - low < HALF_STEP
  const detail = isEmpty ? 'What the network sees has one gray value: there is no image.' : 'What the network sees is not empty.'
  return { ...UNMEASURED, check: 'content', verdict: isEmpty ? 'out-of-scope' : 'in-scope', detail }
}

function saturatedShare(manifest: Manifest, input: InputTensor): number {
  const grays = graysOf(manifest, input)
  return grays.filter((gray) => gray < HALF_STEP || gray > 1 - HALF_STEP).length / grays.length
}

const NO_STATISTICS = 'The bundle has no statistics of its training images.'

function checkHistogram(grays: Float64Array, statistics: InputStatistics | null): ScopeFinding {
  if (statistics === null) return { ...UNMEASURED, check: 'gray-histogram', verdict: 'not-checked', detail: NO_STATISTICS }
  const { bins, unusualAbove, outOfScopeAbove } = statistics.histogram
  const limits = { unusualAbove, outOfScopeAbove, of: statistics.images.validation }
  return judgeDistance('gray-histogram', null, wassersteinDistance(grays, bins), limits, "gray values lie {0} from the training images' mean histogram")
}

function checkEmbedding(manifest: Manifest, { asTrained }: ModelOutputs, statistics: InputStatistics | null): ScopeFinding {
  const unchecked = { ...UNMEASURED, check: 'embedding', verdict: 'not-checked' } as const
  if (statistics === null) return { ...unchecked, detail: NO_STATISTICS }
  const { embedding } = statistics
  if (embedding === null) return { ...unchecked, detail: 'The bundle has no statistics of its class token.' }
  const vector = asTrained.embedding
  if (vector === undefined) throw new Problem('output-missing', 'the input check needs the output embedding', { output: 'embedding' })
  if (vector.data.length !== embedding.width)
    throw new Problem('shape-mismatch', 'the embedding has another width than its statistics', { expected: [embedding.width], actual: vector.shape })
  const { index, distance } = nearestMean(vector.data, floatsOf(embedding.means), floatsOf(embedding.whitening))
  const { unusualAbove, outOfScopeAbove } = embedding
  return judgeDistance(
    'embedding',
    manifest.classes[index]?.name ?? null,
    distance,
    { unusualAbove, outOfScopeAbove, of: statistics.images.validation },
    'class token lies {0} standard deviations from the nearest training class',
  )
}

interface Limits {
  readonly unusualAbove: number
  readonly outOfScopeAbove: number
  /** How many validation images they are of. */
  readonly of: number
}

function judgeDistance(check: 'gray-histogram' | 'embedding', value: string | null, distance: number, limits: Limits, sentence: string): ScopeFinding {
  const { unusualAbove, outOfScopeAbove } = limits
  const verdict = distance > outOfScopeAbove ? 'out-of-scope' : distance > unusualAbove ? 'unusual' : 'in-scope'
  const detail = `The image's ${sentence.replace('{0}', distance.toPrecision(3))}; ${limitText(limits)}.`
  return { check, verdict, detail, value, distance, unusualAbove, outOfScopeAbove }
}

/** Of few validation images both limits are the largest distance: what lies above it is no more than unusual, and may be far out of scope. */
function limitText({ unusualAbove, outOfScopeAbove, of }: Limits): string {
  if (unusualAbove === outOfScopeAbove)
    return `out of scope above ${outOfScopeAbove.toPrecision(3)}, which none of the ${of} validation images exceeds: too few to tell unusual from out of scope`
  return `unusual above ${unusualAbove.toPrecision(3)}, out of scope above ${outOfScopeAbove.toPrecision(3)}`
}

/** Little-endian float32 in base64. */
function floatsOf(base64: string): Float32Array {
  const bytes = Buffer.from(base64, 'base64')
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i))
}
