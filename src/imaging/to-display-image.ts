/** A decoded image in, the 8-bit image that maps are laid over out. */
import type { DecodedImage } from '../domain/image.ts'
import type { DisplayImage } from '../domain/prediction.ts'

/** The image on its source grid, each value round(255 x), halves up as PS3.3 C.11.2.1 is read by the conformance references. */
export function toDisplayImage(image: DecodedImage): DisplayImage {
  const [rows = 0, columns = 0, channels = 1] = image.pixels.shape
  const values = image.pixels.data
  const pixels = new Uint8Array(values.length)
  // A plain loop: a typed array's from() takes 200 times as long on a radiograph. Bytes cut off what is behind the point.
  for (let i = 0; i < values.length; i++) pixels[i] = 255 * (values[i] ?? 0) + 0.5
  return { rows, columns, channels: channels === 3 ? 3 : 1, pixels }
}
