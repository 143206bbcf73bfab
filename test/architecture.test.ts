/**
 * The import table of the house, held against the code.
 *
 * Read this to learn who may import whom; a new row or arrow is a decision of its own and comes with its reason.
 */
import { readdirSync } from 'node:fs'
import { join, resolve, sep } from 'node:path'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { beforeAll, describe, expect, it } from 'vitest'

interface Room {
  /** Rooms it may import besides itself. */
  readonly imports: readonly string[]
  /** Heavy packages that only it may import; shared ones are listed with each of their rooms. */
  readonly owns?: readonly string[]
}

/** A room is a folder, or a file that stands alone. The most specific name wins. */
const ROOMS: Readonly<Record<string, Room>> = {
  'src/tensor': { imports: [] },
  'src/domain': { imports: ['src/tensor'], owns: ['zod'] },
  'src/dicom': { imports: ['src/domain'], owns: ['dicom-parser', 'dcmjs'] },
  'src/imaging': { imports: ['src/domain', 'src/tensor', 'src/dicom'], owns: ['sharp', 'dcmjs-codecs'] },
  'src/infer': { imports: ['src/domain', 'src/tensor'], owns: ['onnxruntime-node', 'onnx-buf', '@bufbuild/protobuf'] },
  'src/explain': { imports: ['src/domain', 'src/tensor'] },
  'src/render': { imports: ['src/domain', 'src/tensor'], owns: ['sharp'] },
  'src/results': { imports: ['src/domain', 'src/tensor', 'src/dicom'] },
  // Routing's plain data alone: the rules of an instance cross to the engine that asks them.
  'src/engine': { imports: ['src/domain', 'src/routing'] },
  // The forked child is where the roads run: it alone of the engine room knows them and the bundles.
  'src/engine/child.ts': { imports: ['src/domain', 'src/engine', 'src/routing', 'src/pipeline.ts', 'src/results-road.ts', 'src/instance-road.ts', 'src/infer'] },
  // Kept predictions on disk: the parent's memory, beneath http and apart from it so that jobs can share it.
  'src/store': { imports: ['src/domain'] },
  // The durable queue: pg-boss on PGlite inside the process, or on a PostgreSQL server.
  'src/jobs': { imports: ['src/domain'], owns: ['pg-boss', '@electric-sql/pglite', 'pg'] },
  // The archives: DICOMweb and DIMSE, in and out. The only room that opens a connection to another machine.
  'src/pacs': { imports: ['src/domain', 'src/dicom'], owns: ['dcmjs-dimse', 'dcmjs'] },
  // Which instance goes to which model and where its results go. Apart from pacs: a rule is decided where headers are read, in an engine.
  'src/routing': { imports: ['src/domain', 'src/dicom'], owns: ['zod'] },
  'src/http': { imports: ['src/domain'], owns: ['express', 'swagger-ui-express', 'multer', 'ajv', 'yaml', 'prom-client'] },
  'src/pipeline.ts': { imports: ['src/domain', 'src/tensor', 'src/imaging', 'src/infer', 'src/explain', 'src/render'] },
  'src/config.ts': { imports: ['src/domain'], owns: ['zod'] },
  'src/main.ts': { imports: ['src/*'], owns: ['pino'] },
  // Lines for a person at a terminal, shared by the commands.
  'src/terminal': { imports: ['src/domain'] },
  // Commands: the road, or one step of it, from a terminal.
  'src/inspect.ts': { imports: ['src/domain', 'src/imaging', 'src/terminal'] },
  // Joins the durable queue with its doors and its destinations; knows the engines as one function that main passes in.
  'src/gateway': { imports: ['src/domain', 'src/jobs', 'src/pacs', 'src/routing'], owns: ['zod'] },
  // From a kept prediction to DICOM objects: results, and the panel's pixels from render, without a PNG between.
  'src/results-road.ts': { imports: ['src/domain', 'src/render', 'src/results'] },
  // An instance that nobody waits for: routing, the road, results; run in an engine, or by the folder mode.
  'src/instance-road.ts': { imports: ['src/domain', 'src/routing', 'src/pipeline.ts', 'src/results-road.ts', 'src/infer'] },
  // The folder mode names its rooms one by one: none of them opens a connection.
  'src/batch.ts': { imports: ['src/domain', 'src/engine', 'src/infer', 'src/instance-road.ts', 'src/results', 'src/routing', 'src/terminal'] },
  'src/rules.ts': { imports: ['src/domain', 'src/routing', 'src/terminal'] },
  'src/predict.ts': { imports: ['src/*'] },
  'src/demo': { imports: ['src/*'] },
  'src/replay.ts': { imports: ['src/*'] },
  'src/check-artifact.ts': { imports: ['src/domain', 'src/artifact', 'src/terminal'] },
  // What was made, looked at again: an answer beside another, a picture's or object's own account of its making.
  'src/artifact': { imports: ['src/domain', 'src/dicom', 'src/explain'], owns: ['zod'] },
  models: {
    imports: ['src/domain', 'src/tensor', 'src/imaging', 'src/terminal', 'models/starting-point'],
    owns: ['@tensorflow/tfjs', '@tensorflow/tfjs-backend-wasm', 'assemblyscript', 'zod'],
  },
  // Evaluating a bundle runs it where it will be served: in ONNX Runtime, through infer.
  'models/evaluate.ts': { imports: ['models', 'models/explanations', 'models/input-check', 'src/domain', 'src/tensor', 'src/imaging', 'src/infer'] },
  // Weights come from bundles too, which infer reads.
  'models/starting-point': { imports: ['models', 'models/graph-weights.ts', 'src/domain', 'src/tensor', 'src/infer'], owns: ['zod'] },
  'models/graph-weights.ts': { imports: ['src/domain', 'src/tensor', 'src/infer'] },
  // Measuring maps makes them as they are served: a bundle through infer and explain, those of many passes by the road's own slices.
  'models/explanations': { imports: ['models', 'models/graph-weights.ts', 'src/domain', 'src/tensor', 'src/imaging', 'src/infer', 'src/explain', 'src/pipeline.ts'] },
  // Measuring the input check makes it as it is served.
  'models/input-check': { imports: ['models', 'models/explanations', 'src/domain', 'src/tensor', 'src/imaging', 'src/infer', 'src/explain'] },
  // Of the measured maps only the report's shape: what the manifest keeps of it.
  export: { imports: ['src/domain', 'src/tensor', 'src/infer', 'models', 'models/explanations'], owns: ['onnx-buf', '@bufbuild/protobuf', '@tensorflow/tfjs', 'onnxruntime-web'] },
}

const root = resolve(import.meta.dirname, '..')
const names = Object.keys(ROOMS).sort((a, b) => b.length - a.length)
const roomOf = (file: string): string | undefined => names.find((name) => file === name || file.startsWith(`${name}/`))

const mayImport = (from: string, to: string): boolean =>
  from === to || (ROOMS[from]?.imports ?? []).some((allowed) => allowed === to || (allowed === 'src/*' && to.startsWith('src/')))

/** `@scope/name/deep` and `name/deep` without what lies deep. */
const packageOf = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

const filesBelow = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.as.ts'))
    .map((file) => `${folder}/${file.split(sep).join('/')}`)

describe('the import table', () => {
  const files = ['src', 'models', 'export'].flatMap(filesBelow).sort()
  let graph: ICruiseResult

  beforeAll(async () => {
    const result = await cruise(['src', 'models', 'export'], {
      baseDir: root,
      tsPreCompilationDeps: true,
      exclude: { path: '\\.as\\.ts$|models/released' },
      doNotFollow: { path: 'node_modules' },
    })
    graph = result.output as ICruiseResult
  })

  const own = (): ICruiseResult['modules'] => graph.modules.filter((module) => files.includes(module.source))

  it('was held against every file that exists', () => {
    expect(
      own()
        .map((module) => module.source)
        .sort(),
    ).toEqual(files)
    expect(own().some((module) => module.dependencies.length > 0)).toBe(true)
  })

  it('has a row for each folder and each file that stands alone', () => {
    expect(files.filter((file) => roomOf(file) === undefined)).toEqual([])
  })

  it('has no import that a row does not allow', () => {
    const broken = own().flatMap((module) =>
      module.dependencies
        .filter((dependency) => files.includes(dependency.resolved))
        .filter((dependency) => !mayImport(roomOf(module.source) ?? '', roomOf(dependency.resolved) ?? ''))
        .map((dependency) => `${module.source} -> ${dependency.resolved}`),
    )
    expect(broken).toEqual([])
  })

  it('has each heavy package imported by its owners alone', () => {
    const owned = new Set(Object.values(ROOMS).flatMap((room) => room.owns ?? []))
    const broken = own().flatMap((module) =>
      module.dependencies
        .map((dependency) => packageOf(dependency.module))
        .filter((name) => owned.has(name) && !(ROOMS[roomOf(module.source) ?? '']?.owns ?? []).includes(name))
        .map((name) => `${module.source} -> ${name}`),
    )
    expect(broken).toEqual([])
  })

  it('has no unresolved import', () => {
    const unresolved = own().flatMap((module) =>
      module.dependencies.filter((dependency) => dependency.couldNotResolve).map((dependency) => `${module.source} -> ${dependency.module}`),
    )
    // The GPU back ends are optional: their packages are absent here by design.
    expect(unresolved.filter((line) => !/tfjs-node(-gpu)?$/.test(line))).toEqual([])
  })

  it('closes no circle', () => {
    const circles = own().flatMap((module) => module.dependencies.filter((dependency) => dependency.circular).map((dependency) => `${module.source} -> ${dependency.resolved}`))
    expect(circles).toEqual([])
  })

  it('lets src compile without models and export', () => {
    const outward = own().flatMap((module) =>
      module.source.startsWith('src/')
        ? module.dependencies.filter((dependency) => /^(models|export|test)\//.test(dependency.resolved)).map((dependency) => `${module.source} -> ${dependency.resolved}`)
        : [],
    )
    expect(outward).toEqual([])
  })
})
