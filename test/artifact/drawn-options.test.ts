import fc from 'fast-check'
import { expect, it } from 'vitest'
import { drawnOptions } from '../../src/artifact/drawn-options.ts'
import type { RenderOptions } from '../../src/domain/prediction.ts'
import { optionsText } from '../../src/render/caption.ts'
import { encodePng } from '../../src/render/png.ts'

const pictureThatSays = (text: string): Promise<Uint8Array> =>
  encodePng({ width: 1, height: 1, color: 'gray', pixels: Uint8Array.of(7), texts: [{ keyword: 'attending:options', text }] })

const options: fc.Arbitrary<RenderOptions> = fc.record({
  format: fc.constant('png' as const),
  style: fc.constantFrom('overlay', 'heat', 'panel', 'memberships', 'gray16'),
  alpha: fc.double({ min: 0, max: 1, noNaN: true }).map(Math.abs),
  head: fc.option(fc.nat(63)),
  colormap: fc.option(fc.constantFrom('viridis', 'rdbu', 'okabe-ito')),
  size: fc.oneof(fc.constantFrom('source' as const, 'grid' as const), fc.integer({ min: 8, max: 4096 })),
})

it('are those that the picture was drawn with', async () => {
  await fc.assert(
    fc.asyncProperty(options, fc.boolean(), async ({ format, ...drawn }, strip) => {
      const all = strip ? { ...drawn, strip } : drawn
      expect(drawnOptions(await pictureThatSays(optionsText({ format, ...all })))).toEqual(all)
    }),
  )
})

it.each([
  ['another style', 'style=photo&alpha=0.5&head=all&colormap=default&size=source'],
  ['an opacity above 1', 'style=overlay&alpha=2&head=all&colormap=default&size=source'],
  ['a side that no server draws', 'style=overlay&alpha=0.5&head=all&colormap=default&size=100000'],
  ['nothing of the size', 'style=overlay&alpha=0.5&head=all&colormap=default'],
  ['more than options', 'style=overlay&alpha=0.5&head=all&colormap=default&size=source&file=x'],
])('are none where the picture says %s', async (_, text) => {
  expect(drawnOptions(await pictureThatSays(text))).toBeNull()
})

it('are none of what is no picture, and of one that was cut off', async () => {
  expect(drawnOptions(Buffer.from('{}'))).toBeNull()
  const whole = await pictureThatSays('style=overlay&alpha=0.5&head=all&colormap=default&size=source')
  expect(drawnOptions(whole.subarray(0, 70))).toBeNull()
})
