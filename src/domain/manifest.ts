/** The only schema of a bundle's manifest: `export` writes it, `infer` reads it, the API shows it. */
import { z } from 'zod'
import { OUTPUT_NAMES } from './outputs.ts'
import { Problem } from './problem.ts'

export const MANIFEST_SCHEMA_VERSION = 1

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const modelId = z.string().regex(/^[a-z0-9][a-z0-9.-]{0,127}$/)

const codedConcept = z.strictObject({ value: z.string(), scheme: z.string(), meaning: z.string() })

const inputSchema = z.strictObject({
  /** The graph's input for pixels. */
  name: z.string(),
  layout: z.enum(['nchw', 'nhwc']),
  channels: z.union([z.literal(1), z.literal(3)]),
  height: z.int().positive(),
  width: z.int().positive(),
  /** How the source rectangle is chosen: 'crop' is the centered square of the short side, 'pad' the centered square of the long side, 'stretch' all of it. */
  fit: z.enum(['crop', 'pad', 'stretch']),
  /** 'bilinear-antialias' is a triangle filter as wide as the reduction, as in Pillow; 'bilinear' samples four neighbors. */
  resize: z.enum(['bilinear-antialias', 'bilinear']),
  /** Per channel, on pixels in [0, 1]: (pixel - mean) / deviation. */
  mean: z.array(z.number()),
  deviation: z.array(z.number().positive()),
  /** DICOM modalities that the model was made for; empty accepts all with a warning. */
  modalities: z.array(z.string()),
  /** Defined terms of Body Part Examined (PS3.16 Annex L) that the model was made for; absent or empty leaves it unchecked. */
  bodyParts: z.array(z.string()).optional(),
  /** Defined terms of View Position that the training images were made in; absent or empty leaves it unchecked. */
  views: z.array(z.string()).optional(),
})

export const GRAY_BINS = 32

/** Above the first a distance is unusual, above the second out of scope. */
const limits = { unusualAbove: z.number().nonnegative(), outOfScopeAbove: z.number().nonnegative() }

const embeddingCheckSchema = z
  .strictObject({
    width: z.int().positive().max(1024),
    /** Weight of the scaled identity in the covariance (Ledoit and Wolf). */
    shrinkage: z.number().min(0).max(1),
    /** [class, width], the mean class-token embedding of each class; float32, little endian, in base64. */
    means: z.base64(),
    /** Lower triangle of the inverse Cholesky factor of the covariance within classes, row after row; float32, little endian, in base64. */
    whitening: z.base64(),
    ...limits,
  })
  .refine(({ width, whitening }) => byteLengthOf(whitening) === 2 * width * (width + 1), 'whitening is not a triangle of the width')
  .refine(({ width, means }) => byteLengthOf(means) > 0 && byteLengthOf(means) % (4 * width) === 0, 'means are not of the width')

/** What the training images look like, for the input check. Distances were measured on the validation split. */
const inputCheckSchema = z.strictObject({
  images: z.strictObject({ train: z.int().positive(), validation: z.int().positive() }),
  /** The share of validation images that lie below `unusualAbove`. */
  quantile: z.number().gt(0).lt(1),
  /** Mean share of each gray bin of [0, 1] over the training images, after the preprocessing. */
  histogram: z.strictObject({ bins: z.array(z.number()).length(GRAY_BINS), ...limits }),
  /** null where the graph gives no embedding. */
  embedding: embeddingCheckSchema.nullable(),
})

/** What `npm run evaluate -- <bundle> --explanations` measured of the maps. */
const explanationsSchema = z.strictObject({
  /** The map that the validation split prefers: given unasked. */
  default: z.string(),
  /** What was compared: the part of the images whose region the map points into, or the areas under insertion and deletion. */
  by: z.enum(['pointing, then relevance mass', 'insertion minus deletion']),
  /** Of the default map, on the validation split. */
  value: z.number(),
  /** The same measure of what needs no map. */
  baseline: z.strictObject({ name: z.enum(['prior of the training split', 'random order']), value: z.number() }),
  dataSha256: sha256,
  images: z.strictObject({ validation: z.int(), test: z.int() }),
  maps: z.array(
    z.strictObject({
      name: z.string(),
      classSpecific: z.boolean(),
      validation: z.number().nullable(),
      test: z.number().nullable(),
      /** Whether the map is another one when the upper half of the network's weights is forgotten; null where it was not measured. */
      hasForgotten: z.boolean().nullable(),
      /** Mean part of the map, on the test split, that lies where the image shows nothing; only of maps that are read as "where". */
      blankShare: z.number().optional(),
    }),
  ),
})

const outputSchema = z.strictObject({
  /** The graph's name of the output; or names, one a layer in ascending order, that the reader stacks along the axis 'layer'. */
  name: z.union([z.string(), z.array(z.string()).min(1)]),
  /** Axes outermost first, the batch included. Where the first isn't 'batch' the value is the same for every image. */
  axes: z.array(z.string()),
})

/** A community whose memberships were trained towards masks that readers drew on training images; of every other community only the grouping has a meaning. */
const supervisedSchema = z.strictObject({
  /** From 0, along the membership's last axis. */
  community: z.int().nonnegative(),
  /** What the masks mark. */
  name: z.string().min(1),
  layers: z.array(z.int().nonnegative()).min(1),
  /** Images of the training split, and how many of them have something marked. */
  images: z.int().positive(),
  marked: z.int().nonnegative(),
})

const structureSchema = z
  .strictObject({
    layers: z.array(z.int().nonnegative()),
    communities: z.int().positive(),
    /** DCMM or SBM options as trained, shown but not acted on. */
    options: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    /** Graph input [batch] float: 1 as trained, 0 neutralised. */
    structureInput: z.string().nullable(),
    /** Graph input [batch] uint32, where the graph samples. */
    seedInput: z.string().nullable(),
    /** Graph input [batch] float, where the graph samples: 1 draws the mask from the image's seed, 0 makes it by the graph's own rule. */
    sampledInput: z.string().nullable().optional(),
    /** SBM only: how the mask is made by default. */
    maskMode: z.enum(['expected', 'threshold', 'topP', 'sample']).nullable(),
    /** Absent where no mask was looked at in training. */
    supervised: supervisedSchema.optional(),
  })
  .refine(
    ({ supervised, communities, layers }) => supervised === undefined || (supervised.community < communities && supervised.layers.every((layer) => layers.includes(layer))),
    'the supervised community is none of the structure',
  )

const metricsSchema = z.strictObject({
  split: z.string(),
  images: z.int(),
  accuracy: z.number(),
  auc: z.number(),
  balancedAccuracy: z.number(),
  ece: z.number(),
  brier: z.number(),
  nll: z.number(),
})

export const manifestSchema = z.strictObject({
  schemaVersion: z.int(),
  id: modelId,
  version: z.string(),
  title: z.string(),
  network: z.enum(['vit', 'dcmm-vit', 'sbm-vit', 'other-vit']),
  createdAt: z.string(),
  graph: z.strictObject({ file: z.literal('model.onnx'), sha256, opset: z.int(), ir: z.int(), ops: z.enum(['function', 'standard']), batchInvariant: z.boolean() }),
  tail: z.strictObject({ file: z.literal('tail.onnx'), sha256 }).nullable(),
  customOps: z.array(z.strictObject({ domain: z.string(), name: z.string(), version: z.int() })),
  input: inputSchema,
  outputs: z.partialRecord(z.enum(OUTPUT_NAMES), outputSchema),
  patchGrid: z.strictObject({ height: z.int().positive(), width: z.int().positive() }),
  /** Tokens before the first patch: the class token and registers. */
  prefixTokens: z.int().nonnegative(),
  classTokenIndex: z.int().nonnegative(),
  depth: z.int().positive(),
  heads: z.int().positive(),
  structure: structureSchema.nullable(),
  classes: z.array(z.strictObject({ name: z.string(), code: codedConcept.nullable() })).min(2),
  /** Divides the logits for the calibrated probability; fitted on the validation split. */
  temperature: z.number().positive().nullable(),
  /** Absent or null in bundles made without their data: images are then not checked. */
  inputCheck: inputCheckSchema.nullable().optional(),
  /** Absent or null where the maps were not measured: the default maps are then the same for every model. */
  explanations: explanationsSchema.nullable().optional(),
  parity: z.strictObject({ absolute: z.number().positive(), relative: z.number().nonnegative() }),
  training: z.record(z.string(), z.unknown()).nullable(),
  metrics: z.array(metricsSchema),
  intendedUse: z.string(),
  limits: z.array(z.string()),
  licence: z.string(),
  attributions: z.array(z.string()),
})

export type Manifest = z.infer<typeof manifestSchema>
export type ManifestInput = Manifest['input']
export type ExplanationRecord = z.infer<typeof explanationsSchema>
export type InputStatistics = z.infer<typeof inputCheckSchema>

function byteLengthOf(base64: string): number {
  return Buffer.byteLength(base64, 'base64')
}

/**
 * A checked manifest.
 *
 * Throws: "manifest-invalid", saying whether it is older, newer or wrong, and where.
 */
export function parseManifest(json: unknown): Manifest {
  const version = (json as { schemaVersion?: unknown } | null)?.schemaVersion
  if (typeof version === 'number' && version !== MANIFEST_SCHEMA_VERSION) {
    throw new Problem(
      'manifest-invalid',
      `the manifest's schema is ${version < MANIFEST_SCHEMA_VERSION ? 'older' : 'newer'} (${version}) than this program's (${MANIFEST_SCHEMA_VERSION})`,
      {},
    )
  }
  const parsed = manifestSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new Problem('manifest-invalid', `manifest: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`, {})
}
