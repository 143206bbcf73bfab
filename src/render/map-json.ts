/** A map in, its machine-readable twin out: grid, limits, colors, how it lies on the image, and the sentence for those who can't see it. */
import { NOTICE, type RenderRequest } from '../domain/prediction.ts'
import { statisticsOf } from '../tensor/grid-statistics.ts'
import { at, type Tensor } from '../tensor/tensor.ts'
import { labelShares } from './draw-key.ts'
import type { MapLook } from './map-look.ts'

/** JSON text, keys in a fixed order; numbers are the float32 values. */
export function encodeMapJson(request: RenderRequest, look: MapLook): string {
  const { map, placement, caption } = request
  const communities = look.range !== null ? [] : look.head === null ? map.communities : labelShares(look)
  return JSON.stringify({
    name: map.name,
    title: map.title,
    kind: map.kind,
    role: map.role,
    classSpecific: map.classSpecific,
    explainedClass: map.explainedClass,
    layer: map.layer,
    head: look.head,
    heads: map.heads?.shape[0] ?? 0,
    unit: map.unit,
    range: look.range,
    marks: map.marks,
    colormap: look.colormap,
    interpolation: map.interpolation,
    method: map.method,
    formula: map.formula,
    source: map.source,
    // Of what the grid shows: a single head has its own.
    statistics: look.head === null || !map.statistics ? map.statistics : statisticsOf(look.grid),
    numbers: map.numbers,
    notes: map.notes,
    altText: map.altText,
    communities,
    shape: look.grid.shape,
    grid: toRows(look.grid),
    confidence: look.confidence === null ? null : toRows(look.confidence),
    // Of the image's communities, in their order: a single head has others.
    memberships: look.head === null ? map.memberships && toGrids(map.memberships) : undefined,
    placement,
    caption,
    notice: NOTICE,
  })
}

function toRows({ shape, data }: Tensor): readonly (readonly number[])[] {
  const [rows = 0, columns = 0] = shape
  return Array.from({ length: rows }, (_, row) => Array.from(data.subarray(row * columns, (row + 1) * columns)))
}

function toGrids(stack: Tensor): readonly ReturnType<typeof toRows>[] {
  return Array.from({ length: stack.shape[0] ?? 0 }, (_, place) => toRows(at(stack, place)))
}
