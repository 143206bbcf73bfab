/** A request's facts in, the words of its picture out: text chunks, strip and SVG say the same. */
import type { ExplanationMap, MapRange } from '../domain/explanation.ts'
import { NOTICE, type RenderOptions, type RenderRequest } from '../domain/prediction.ts'
import type { MapLook } from './map-look.ts'
import type { PngText } from './png.ts'

export const STRIP_NOTICE = 'RESEARCH USE ONLY - not for diagnosis'

/** The text chunks of a PNG: no patient attribute is among them, since none ever enters a render request. */
export function textChunks(request: RenderRequest, look: MapLook): readonly PngText[] {
  const { caption, map, options } = request
  const { predictedClass } = caption
  const named: Readonly<Record<string, string>> = {
    Title: map.title,
    Description: map.altText,
    Software: 'attending',
    Disclaimer: NOTICE,
    'Creation Time': caption.createdAt,
    'attending:request': caption.requestId,
    'attending:model': caption.modelId,
    'attending:version': caption.modelVersion,
    'attending:graph-sha256': caption.graphSha256,
    'attending:input-sha256': caption.inputSha256,
    'attending:predicted-class': predictedClass.name,
    'attending:model-output-score': String(predictedClass.probability),
    'attending:calibrated-model-output-score': predictedClass.calibratedProbability === null ? 'none' : String(predictedClass.calibratedProbability),
    ...(caption.inputCheck === undefined ? {} : { 'attending:input-check': scopeText(caption.inputCheck) }),
    'attending:map': map.name,
    'attending:class': map.explainedClass ?? 'all',
    'attending:role': map.role,
    'attending:layer': map.layer === null ? 'all' : String(map.layer),
    'attending:head': look.head === null ? 'all' : String(look.head),
    'attending:method': map.method,
    'attending:source': map.source,
    'attending:unit': map.unit,
    'attending:range': rangeText(look.range),
    'attending:colormap': look.colormap,
    ...(look.colormap === 'gray' ? { 'attending:gray-values': grayMeaning(look) } : {}),
    'attending:placement': JSON.stringify(request.placement),
    'attending:options': optionsText(options),
    'attending:notes': map.notes.join('; '),
  }
  return Object.entries(named).map(([keyword, text]) => ({ keyword, text }))
}

/** The options as the API's query writes them. */
export function optionsText({ style, alpha, head, colormap, size, strip }: RenderOptions): string {
  return `style=${style}&alpha=${alpha}&head=${head ?? 'all'}&colormap=${colormap ?? 'default'}&size=${size}${strip === true ? '&strip=true' : ''}`
}

function rangeText(range: MapRange | null): string {
  return range === null ? 'labels' : `${range.min} to ${range.max}`
}

/** The strip's lines below the notice. */
export function stripLines({ caption, map, options }: RenderRequest, look: MapLook): readonly string[] {
  return [
    `${caption.modelId}  version ${caption.modelVersion}  graph ${caption.graphSha256.slice(0, 8)}  image ${caption.inputSha256.slice(0, 8)}`,
    classLine(caption.predictedClass),
    ...(caption.inputCheck === undefined ? [] : [scopeLine(caption.inputCheck)]),
    `${map.title}: ${placeText(map, look)}, ${map.role}`,
    `Method: ${map.method}`,
    ...valueLines(options, look),
    ...(map.notes.length === 0 ? [] : [`Notes: ${map.notes.join('; ')}`]),
    `${caption.createdAt}  request ${caption.requestId}`,
  ]
}

function valueLines({ style, alpha }: RenderOptions, look: MapLook): readonly string[] {
  if (style === 'memberships') return [`Colors: ${look.colormap}, opacity 0 to ${alpha} for memberships 0 to 1; percent of the patches that bear its label`]
  if (look.colormap === 'gray') return [`Gray values: ${grayMeaning(look)}`]
  return look.range === null ? [] : [`Colors: ${look.colormap}, ${toShortText(look.range.min)} to ${toShortText(look.range.max)} ${look.map.unit}`]
}

/** What a value of a 16-bit gray picture means, in words and exact numbers. */
function grayMeaning({ range, map }: MapLook): string {
  return range === null ? 'the label itself, from 0' : `linear, 0 is ${range.min} and 65535 is ${range.max} ${map.unit}`
}

type Scope = NonNullable<RenderRequest['caption']['inputCheck']>

/** As `out-of-scope: body-part, embedding`. */
function scopeText({ verdict, checks }: Scope): string {
  return checks.length === 0 ? verdict : `${verdict}: ${checks.join(', ')}`
}

/** A bad verdict in capitals: whoever finds the picture alone must not miss it. */
function scopeLine({ verdict, checks }: Scope): string {
  if (checks.length === 0) return `Input check: ${verdict.replaceAll('-', ' ')}`
  return `Input check: ${verdict.replaceAll('-', ' ').toUpperCase()} for this model (${checks.join(', ')})`
}

/** The structured report's words for the class: its softmax is no probability of a disease. */
function classLine({ name, probability, calibratedProbability }: RenderRequest['caption']['predictedClass']): string {
  const calibrated = calibratedProbability === null ? '' : `, calibrated model output score ${calibratedProbability.toFixed(3)}`
  return `Predicted: ${name}, model output score ${probability.toFixed(3)}${calibrated}; maps are not validated for localization`
}

/** Layer, head and class of a picture, in words. */
export function placeText(map: ExplanationMap, look: Pick<MapLook, 'head'>): string {
  const layer = map.layer === null ? 'all layers' : `layer ${map.layer}`
  const head = look.head === null ? 'all heads' : `head ${look.head}`
  return `${layer}, ${head}, ${map.explainedClass === null ? 'class-agnostic' : `class ${map.explainedClass}`}`
}

/** Three significant digits. */
export function toShortText(value: number): string {
  return String(Number(value.toPrecision(3)))
}
