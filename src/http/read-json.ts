/** A request with a JSON body in, the checked value out. */
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Request } from 'express'
import { Problem } from '../domain/problem.ts'
import { ByteBudget, ByteCollector } from './byte-collector.ts'
import type { OpenApi } from './open-api.ts'

const MAX_JSON_BYTES = 64 * 1024

/** Throws: "parameter-invalid", naming the member. */
export type BodyChecker<T> = (value: unknown) => T

/** A checker of the schema of this name in openapi.yaml. */
export function createBodyChecker<T>(openApi: OpenApi, schema: string): BodyChecker<T> {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema(openApi.document, 'openapi.yaml')
  const validate = ajv.compile<T>({ $ref: `openapi.yaml#/components/schemas/${schema}` })
  return (value) => {
    if (validate(value)) return value
    const [error] = validate.errors ?? []
    // Only names of the schema are repeated, never what the caller wrote.
    const member = error?.instancePath.slice(1) || String((error?.params as { missingProperty?: string } | undefined)?.missingProperty ?? 'body')
    throw new Problem('parameter-invalid', `${member} ${error?.keyword === 'additionalProperties' ? 'has a member that is not known' : (error?.message ?? 'is not valid')}`, {
      parameter: member,
    })
  }
}

/** Throws: "body-too-large", "request-malformed", and what the checker throws. */
export async function readJson<T>(request: Request, check: BodyChecker<T>): Promise<T> {
  const collector = new ByteCollector(MAX_JSON_BYTES, new ByteBudget(MAX_JSON_BYTES))
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) collector.add(chunk as Uint8Array)
    return check(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(collector.bytes())))
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem('request-malformed', 'the body is no JSON document', {}, error)
  }
}
