/** A request's path and query in, the parameters of its operation out: typed, checked against openapi.yaml, defaults filled in. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { Problem } from '../domain/problem.ts'
import type { OpenApi, Operation, Parameter, ParameterSchema } from './open-api.ts'

export type ParameterValue = string | number | boolean | readonly string[]
export type Parameters = Readonly<Record<string, ParameterValue | undefined>>

/** What express found: each query value as text, or as a list where a name came twice. */
export interface RawParameters {
  readonly path: Readonly<Record<string, unknown>>
  readonly query: Readonly<Record<string, unknown>>
}

export type ReadParameters = (raw: RawParameters) => Parameters

/** A checker for each operation, by operationId. */
export function createParameterReaders(openApi: OpenApi): ReadonlyMap<string, ReadParameters> {
  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema(openApi.document, 'openapi.yaml')
  return new Map(openApi.operations.map((operation) => [operation.operationId, createReader(ajv, operation)]))
}

function createReader(ajv: Ajv2020, operation: Operation): ReadParameters {
  const parameters = operation.parameters.map((parameter) => ({ parameter, validate: ajv.compile({ $ref: `openapi.yaml${parameter.pointer}` }) }))
  const known = operation.parameters.filter(({ in: place }) => place === 'query').map(({ name }) => name)
  return (raw) => {
    refuseUnknown(raw.query, known)
    return Object.fromEntries(parameters.map(({ parameter, validate }) => [parameter.name, readParameter(parameter, validate, raw)]))
  }
}

/** The unknown name itself is not repeated: it is free text of the caller. */
function refuseUnknown(query: Readonly<Record<string, unknown>>, known: readonly string[]): void {
  if (Object.keys(query).every((name) => known.includes(name))) return
  const list = known.length === 0 ? 'it knows none' : `it knows ${known.join(', ')}`
  throw new Problem('parameter-invalid', `the query has a parameter that this route does not know; ${list}`, { parameter: 'query' })
}

function readParameter(parameter: Parameter, validate: ValidateFunction, raw: RawParameters): ParameterValue | undefined {
  const text = (parameter.in === 'path' ? raw.path : raw.query)[parameter.name]
  if (text === undefined && parameter.isRequired) throw new Problem('parameter-invalid', `${parameter.name} is missing`, { parameter: parameter.name })
  if (text === undefined) return parameter.schema.default as ParameterValue | undefined
  if (typeof text !== 'string') throw new Problem('parameter-invalid', `${parameter.name} is given more than once`, { parameter: parameter.name })
  const value = toValue(text, parameter.schema)
  if (!validate(value)) throw new Problem('parameter-invalid', `${parameter.name} ${describe(validate)}`, { parameter: parameter.name })
  return value
}

/** The text in the type that the schema asks for; left as text where it does not read so, for the schema to refuse. */
function toValue(text: string, schema: ParameterSchema): ParameterValue {
  if (schema.anyOf !== undefined) return schema.anyOf.map((option) => toValue(text, option)).find((value) => typeof value !== 'string') ?? text
  if (schema.type === 'array') return text.split(',')
  if (schema.type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text
  if (schema.type === 'integer') return /^-?\d{1,15}$/.test(text) ? Number(text) : text
  if (schema.type === 'number') return /^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : text
  return text
}

/** The schema's complaint: it quotes the schema, never the value. */
function describe(validate: ValidateFunction): string {
  const [error] = validate.errors ?? []
  if (error?.keyword === 'enum') return `must be one of ${(error.params as { allowedValues: readonly unknown[] }).allowedValues.join(', ')}`
  return error?.message ?? 'is not valid'
}
