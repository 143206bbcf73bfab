/** A picture in, how it says that it was drawn out: the way back from the text chunk that render writes. */
import { z } from 'zod'
import { LONGEST_SIDE, type RenderOptions } from '../domain/prediction.ts'
import { isPng, readPngTexts } from './read-png-texts.ts'

const optionsSchema = z.strictObject({
  style: z.enum(['overlay', 'heat', 'panel', 'memberships', 'gray16']),
  alpha: z.coerce.number().min(0).max(1),
  head: z.union([z.literal('all').transform(() => null), z.coerce.number().int().nonnegative()]),
  colormap: z.union([z.literal('default').transform(() => null), z.string().regex(/^[a-z-]+$/)]),
  size: z.union([z.enum(['source', 'grid']), z.coerce.number().int().min(LONGEST_SIDE.min).max(LONGEST_SIDE.max)]),
  strip: z
    .literal('true')
    .transform(() => true)
    .optional(),
})

/** The options of `attending:options`; null where the bytes are no whole PNG, or say nothing that can be drawn. */
export function drawnOptions(bytes: Uint8Array): Omit<RenderOptions, 'format'> | null {
  const text = isPng(bytes) ? textOf(bytes) : null
  if (text === null) return null
  const { data } = optionsSchema.safeParse(Object.fromEntries(new URLSearchParams(text)))
  if (data === undefined) return null
  const { strip, ...options } = data
  return strip === undefined ? options : { ...options, strip }
}

function textOf(png: Uint8Array): string | null {
  try {
    return readPngTexts(png).get('attending:options') ?? null
  } catch {
    return null // a damaged picture says nothing
  }
}
