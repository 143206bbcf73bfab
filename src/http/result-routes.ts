/** A kept prediction in, one of its DICOM objects out. */
import type { DicomResult, DicomResults, ResultKind } from '../domain/dicom-result.ts'
import { Problem } from '../domain/problem.ts'
import type { Call, Handler } from './call.ts'
import type { HttpContext } from './http-context.ts'
import { toPrediction } from './to-answer.ts'

export function getResultHandler(context: HttpContext): Handler {
  return async (call) => {
    const { parameters, response } = call
    const [id, kind] = [String(parameters['id']), parameters['kind'] as ResultKind]
    const results = await makeResults(context, call, id, kind)
    const { bytes } = chooseResult(results, kind, (parameters['map'] as string | undefined) ?? null)
    response.setHeader('Cache-Control', 'no-store')
    response.setHeader('Content-Type', 'application/dicom')
    response.setHeader('Content-Disposition', `attachment; filename="${kind}.dcm"`)
    response.send(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  }
}

async function makeResults(context: HttpContext, { facts, signal }: Call, id: string, resultKind: ResultKind): Promise<DicomResults> {
  const [artifacts, answer] = [await context.store.findArtifacts(id), await context.store.findAnswer(id)]
  facts.model = context.models.find(({ manifest }) => manifest.id === answer.model.id)?.manifest.id ?? null
  const origin = await context.store.findOrigin(id)
  if (origin === null) throw unavailable(resultKind, 'the image is no DICOM instance: an object without a patient and a study can be filed nowhere')
  const environment = context.resultEnvironment(answer.createdAt)
  return context.engines.makeResults({ kind: 'results', resultKind, prediction: toPrediction(answer, artifacts), origin, requestId: id, environment }, signal)
}

/** The object of that map; without one, the first. */
function chooseResult({ objects, omitted }: DicomResults, kind: ResultKind, map: string | null): DicomResult {
  const found = objects.find((object) => map === null || object.map === map)
  if (found !== undefined) return found
  const reason = omitted.find((object) => map === null || object.map === map)?.reason
  const available = objects.flatMap((object) => object.map ?? [])
  throw unavailable(kind, reason ?? (available.length === 0 ? 'no object of this kind holds a single map' : `objects of this kind hold ${available.join(', ')}`))
}

function unavailable(kind: ResultKind, reason: string): Problem {
  return new Problem('result-unavailable', reason, { kind })
}
