/** What a safetensors file says of itself in, the data that its weights were made from out: their licences and attributions bind whatever goes on from them. */
import { z } from 'zod'
import { Problem } from '../../src/domain/problem.ts'

const dataSource = z.object({
  id: z.string(),
  title: z.string(),
  licence: z.string(),
  attributions: z.array(z.string()),
  /** Of the data set's file. */
  sha256: z.string(),
  /** Of the training split. */
  images: z.int().positive(),
})

export type DataSource = z.infer<typeof dataSource>

const pretraining = z.object({ sources: z.array(dataSource) })
const training = z.object({
  data: dataSource.extend({ images: z.object({ train: z.int().positive() }) }),
  start: z.object({ sources: z.array(dataSource).nullable() }).optional(),
})

/**
 * The data sets behind the weights, those of their own starting point included, each file once; null where the file does not tell.
 *
 * metadata  of a checkpoint of this project: `pretraining` or `training`
 *
 * Throws: "checkpoint-invalid" where the record is there and can't be read.
 */
export function dataSourcesOf(metadata: Readonly<Record<string, string>>): readonly DataSource[] | null {
  if (metadata['pretraining'] !== undefined) return parse(pretraining, metadata['pretraining']).sources
  if (metadata['training'] === undefined) return null
  const { data, start } = parse(training, metadata['training'])
  if (start?.sources === null) return null
  const own = { ...data, images: data.images.train }
  return [own, ...(start?.sources ?? []).filter(({ sha256 }) => sha256 !== own.sha256)]
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    throw new Problem('checkpoint-invalid', 'the file tells of its training, and not of the data', {}, cause)
  }
}
