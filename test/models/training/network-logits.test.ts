import { describe, expect, it } from 'vitest'
import { SMALL_128, TINY_28 } from '../../../models/recipes/backbones.ts'
import { imagesAtOnce } from '../../../models/training/network-logits.ts'

describe('imagesAtOnce', () => {
  it('keeps the attention of the images below a gibibyte, as 64 images of 257 tokens in six layers ask for more than the wasm backend has', () => {
    expect(imagesAtOnce(TINY_28, 64)).toBe(64)
    const images = imagesAtOnce(SMALL_128, 64)
    expect(images * 6 * 4 * 257 ** 2 * 10 * 4).toBeLessThanOrEqual(2 ** 30)
    expect((images + 1) * 6 * 4 * 257 ** 2 * 10 * 4).toBeGreaterThan(2 ** 30)
  })

  it('lets one image through, however large', () => {
    expect(imagesAtOnce({ ...SMALL_128, imageSize: 4096 }, 64)).toBe(1)
  })
})
