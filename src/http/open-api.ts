/** The text of openapi.yaml in, its operations with their parameters out: what the router is built from. */
import { parse } from 'yaml'
import type { ProblemCode } from '../domain/problem.ts'

export interface ParameterSchema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly ParameterSchema[]
  readonly default?: unknown
}

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly isRequired: boolean
  readonly schema: ParameterSchema
  /** Where the schema stands in the document, as a JSON pointer. */
  readonly pointer: string
}

export interface Operation {
  readonly operationId: string
  readonly method: 'get' | 'post' | 'put' | 'delete'
  /** As in the document, such as /v1/models/{model}. */
  readonly path: string
  readonly parameters: readonly Parameter[]
  readonly problemCodes: readonly ProblemCode[]
  readonly statuses: readonly number[]
}

export interface OpenApi {
  readonly text: string
  readonly document: Readonly<Record<string, unknown>>
  readonly operations: readonly Operation[]
}

const METHODS = ['get', 'post', 'put', 'delete'] as const

interface RawParameter {
  readonly $ref?: string
  readonly name?: string
  readonly in?: 'path' | 'query'
  readonly required?: boolean
  readonly schema?: ParameterSchema
}
interface RawOperation {
  readonly operationId: string
  readonly parameters?: readonly RawParameter[]
  readonly responses: Readonly<Record<string, unknown>>
  readonly 'x-problem-codes': readonly ProblemCode[]
}
interface RawDocument {
  readonly paths: Readonly<Record<string, Readonly<Record<string, RawOperation>>>>
  readonly components: { readonly parameters: Readonly<Record<string, RawParameter>> }
}

/** The document and its operations. The document is our own, and a test holds it against the router: it is not checked again here. */
export function readOpenApi(text: string): OpenApi {
  const raw = parse(text) as RawDocument
  const operations = Object.entries(raw.paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method]
      return operation === undefined ? [] : [toOperation(raw, path, method, operation)]
    }),
  )
  return { text, document: raw as unknown as Readonly<Record<string, unknown>>, operations }
}

function toOperation(raw: RawDocument, path: string, method: Operation['method'], operation: RawOperation): Operation {
  const place = `#/paths/${escapePointer(path)}/${method}`
  return {
    operationId: operation.operationId,
    method,
    path,
    parameters: (operation.parameters ?? []).map((parameter, index) => toParameter(raw, parameter, `${place}/parameters/${index}`)),
    problemCodes: operation['x-problem-codes'],
    statuses: Object.keys(operation.responses).map(Number),
  }
}

function toParameter(raw: RawDocument, parameter: RawParameter, pointer: string): Parameter {
  if (parameter.$ref !== undefined) {
    const shared = raw.components.parameters[parameter.$ref.slice('#/components/parameters/'.length)]
    if (shared === undefined) throw new RangeError(`openapi.yaml: ${parameter.$ref} is missing`)
    return toParameter(raw, shared, parameter.$ref)
  }
  if (parameter.name === undefined || parameter.in === undefined || parameter.schema === undefined) throw new RangeError(`openapi.yaml: ${pointer} is incomplete`)
  return { name: parameter.name, in: parameter.in, isRequired: parameter.required === true, schema: parameter.schema, pointer: `${pointer}/schema` }
}

function escapePointer(part: string): string {
  return encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1'))
}

/** The path in express' spelling: {model} becomes :model. */
export function toExpressPath(path: string): string {
  return path.replace(/\{([a-z]+)\}/gi, ':$1')
}
