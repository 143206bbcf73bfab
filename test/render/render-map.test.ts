import fc from 'fast-check'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { CODES } from '../../src/dicom/coded-concepts.ts'
import type { ExplanationMap } from '../../src/domain/explanation.ts'
import type { RenderCaption, RenderRequest } from '../../src/domain/prediction.ts'
import { colormap } from '../../src/render/colormaps.ts'
import { LABEL_COLORS } from '../../src/render/label-colors.ts'
import { renderMap } from '../../src/render/render-map.ts'
import { statisticsOf } from '../../src/tensor/grid-statistics.ts'
import { at, tensorOf } from '../../src/tensor/tensor.ts'
import { cropPlacement, displayOf, gridOf, labelMapOf, mapOf, padPlacement, requestOf, wholePlacement } from './render-case.ts'

interface Pixels {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Buffer
}

/** Read back by libvips, which did not write it. */
const decode = async (bytes: Uint8Array): Promise<Pixels> => {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true })
  return { width: info.width, height: info.height, channels: info.channels, data }
}
const drawn = async (request: RenderRequest): Promise<Pixels> => decode((await renderMap(request)).bytes)
const pixel = ({ width, channels, data }: Pixels, x: number, y: number): number[] => [...data.subarray((y * width + x) * channels, (y * width + x) * channels + 3)]
const entry = (name: Parameters<typeof colormap>[0], index: number): number[] => [...colormap(name).subarray(3 * index, 3 * index + 3)]
const ramp = gridOf(4, 4, (row, column) => (row * 4 + column) / 15)
const odd: readonly (readonly [number, number])[] = [
  [427, 488],
  [301, 201],
  [97, 13],
]

describe('renderMap', () => {
  it.each(odd)('draws an overlay of exactly the source grid: %i rows x %i columns', async (rows, columns) => {
    for (const placement of [wholePlacement(rows, columns), cropPlacement(rows, columns), padPlacement(rows, columns)]) {
      const picture = await drawn(requestOf(mapOf(ramp), displayOf(rows, columns), placement))
      expect([picture.height, picture.width]).toEqual([rows, columns])
    }
  })

  it('gives the windowed image bit for bit at alpha 0, borders, stripes and labels included', async () => {
    for (const channels of [1, 3] as const) {
      const display = displayOf(60, 90, channels)
      for (const map of [
        mapOf(ramp),
        labelMapOf(
          gridOf(4, 4, (row) => row % 3),
          { confidence: ramp },
        ),
      ]) {
        const picture = await drawn(requestOf(map, display, cropPlacement(60, 90), { alpha: 0 }))
        const expected = channels === 3 ? display.pixels : Uint8Array.from({ length: 60 * 90 * 3 }, (_, i) => display.pixels[Math.floor(i / 3)]!)
        expect(picture.data.equals(Buffer.from(expected))).toBe(true)
      }
    }
  })

  it('gives the pure colors at alpha 1, whatever the image: the same as the heat map', async () => {
    for (const map of [
      mapOf(ramp),
      labelMapOf(
        gridOf(4, 4, (row) => row % 3),
        { confidence: ramp },
      ),
    ]) {
      const overlay = await drawn(requestOf(map, displayOf(40, 40), wholePlacement(40, 40), { alpha: 1 }))
      const heat = await drawn(requestOf(map, displayOf(40, 40), wholePlacement(40, 40), { style: 'heat' }))
      expect(overlay.data.equals(heat.data.subarray(0, overlay.data.length))).toBe(true)
    }
  })

  it('mixes as (1 - alpha) image + alpha color in bytes', async () => {
    const display = { rows: 1, columns: 1, channels: 1 as const, pixels: Uint8Array.of(100) }
    const map = mapOf(
      gridOf(1, 1, () => 1),
      { range: { min: 0, max: 1 } },
    )
    const [red, green, blue] = entry('inferno', 255) // 252, 255, 164
    const picture = await drawn(requestOf(map, display, wholePlacement(1, 1), { alpha: 0.4 }))
    expect(pixel(picture, 0, 0)).toEqual([red, green, blue].map((value) => Math.round(0.6 * 100 + 0.4 * value!)))
  })

  it('draws the upper limit in the exact last color of each map, red before blue', async () => {
    const map = mapOf(
      gridOf(1, 2, (_, column) => column),
      { range: { min: 0, max: 1 } },
    )
    const ends = { viridis: [253, 231, 37], inferno: [252, 255, 164], cividis: [254, 232, 56], magma: [252, 253, 191] }
    for (const [name, color] of Object.entries(ends)) {
      const picture = await drawn(requestOf(map, displayOf(1, 2), wholePlacement(1, 2), { style: 'heat', colormap: name, size: 'grid' }))
      expect(pixel(picture, 1, 0)).toEqual(color)
      expect(pixel(picture, 0, 0)).toEqual(entry(name as 'viridis', 0))
    }
  })

  it('draws a flat map in one color and says so in its text', async () => {
    const map = mapOf(gridOf(4, 4, () => 0.25))
    const rendered = await renderMap(requestOf(map, displayOf(30, 50), wholePlacement(30, 50), { style: 'heat' }))
    const picture = await decode(rendered.bytes)
    const first = pixel(picture, 0, 0)
    for (let y = 0; y < 30; y++) for (let x = 0; x < 50; x++) expect(pixel(picture, x, y)).toEqual(first)
    expect(Buffer.from(rendered.bytes).includes('no spatial contrast')).toBe(true)
  })

  it.each([
    [427, 488],
    [301, 201],
    [97, 113],
  ] as const)('puts four hot corner patches into the four corners of the image: %i x %i', async (rows, columns) => {
    const corners = mapOf(
      gridOf(7, 7, (row, column) => (row % 6 === 0 && column % 6 === 0 ? 1 : 0)),
      { range: { min: 0, max: 1 } },
    )
    const picture = await drawn(requestOf(corners, displayOf(rows, columns), wholePlacement(rows, columns), { style: 'heat' }))
    for (const [x, y] of [
      [0, 0],
      [columns - 1, 0],
      [0, rows - 1],
      [columns - 1, rows - 1],
    ] as const)
      expect(pixel(picture, x, y)).toEqual(entry('inferno', 255))
    expect(pixel(picture, Math.floor(columns / 2), Math.floor(rows / 2))).toEqual(entry('inferno', 0))
  })

  it('undoes a centered crop and stripes what the network did not see in gray', async () => {
    const map = mapOf(
      gridOf(4, 4, () => 1),
      { range: { min: 0, max: 1 } },
    )
    const picture = await drawn(requestOf(map, displayOf(40, 100), cropPlacement(40, 100), { alpha: 1 }))
    expect(pixel(picture, 30, 20)).toEqual(entry('inferno', 255))
    expect(pixel(picture, 69, 20)).toEqual(entry('inferno', 255))
    for (const x of [0, 29, 70, 99]) {
      const [red, green, blue] = pixel(picture, x, 20)
      expect([red, green]).toEqual([blue, blue])
    }
  })

  it('leaves what the network did not see transparent in a heat map', async () => {
    const picture = await drawn(requestOf(mapOf(ramp), displayOf(40, 100), cropPlacement(40, 100), { style: 'heat' }))
    expect(picture.channels).toBe(4)
    const alphas = new Set(Array.from({ length: 30 }, (_, x) => picture.data[(20 * 100 + x) * 4 + 3]))
    expect(alphas).toEqual(new Set([0, 255]))
    expect(picture.data[(20 * 100 + 50) * 4 + 3]).toBe(255)
  })

  it('draws no pixel of the padding where the input was padded', async () => {
    const left = mapOf(
      gridOf(4, 4, (_, column) => (column === 0 ? 1 : 0)),
      { range: { min: 0, max: 1 }, interpolation: 'nearest' },
    )
    // 100 rows x 40 columns padded to 100 x 100: columns -30 to 70; the first patch column is source columns -30 to -5.
    const picture = await drawn(requestOf(left, displayOf(100, 40), padPlacement(100, 40), { style: 'heat' }))
    for (let x = 0; x < 40; x++) expect(pixel(picture, x, 50)).toEqual(entry('inferno', 0))
  })

  it('keeps rows and columns apart on an image that is not square: token (2, 9) of a 224 x 112 image', async () => {
    // 112 columns in 14 patches of 8, 224 rows in 28 patches of 8.
    const map = mapOf(
      gridOf(28, 14, (row, column) => (row === 2 && column === 9 ? 1 : 0)),
      { range: { min: 0, max: 1 } },
    )
    const picture = await drawn(requestOf(map, displayOf(224, 112), wholePlacement(224, 112), { style: 'heat' }))
    let hottest = { x: 0, y: 0, red: -1 }
    for (let y = 0; y < 224; y++) for (let x = 0; x < 112; x++) if (pixel(picture, x, y)[0]! > hottest.red) hottest = { x, y, red: pixel(picture, x, y)[0]! }
    expect([Math.floor(hottest.y / 8), Math.floor(hottest.x / 8)]).toEqual([2, 9])
  })

  it('draws each label in its own color, blocks and no mixtures, and lines between them', async () => {
    const map = labelMapOf(gridOf(2, 2, (row, column) => row * 2 + column))
    const picture = await drawn(requestOf(map, displayOf(32, 32), wholePlacement(32, 32), { style: 'heat' }))
    const colors = new Set<string>()
    for (let y = 0; y < 32; y++) for (let x = 0; x < 32; x++) colors.add(pixel(picture, x, y).join())
    expect(colors).toEqual(new Set(LABEL_COLORS.slice(0, 4).map((color) => color.join())))
    const overlay = await drawn(requestOf(map, { ...displayOf(32, 32), pixels: new Uint8Array(32 * 32) }, wholePlacement(32, 32), { alpha: 0.5 }))
    expect(pixel(overlay, 15, 3)).toEqual([255, 255, 255])
    expect(pixel(overlay, 17, 3)).not.toEqual([255, 255, 255])
  })

  it('gives equal bytes for an equal request, in every format and style', async () => {
    const maps = [mapOf(ramp), labelMapOf(gridOf(4, 4, (row) => row % 3))]
    for (const format of ['png', 'svg', 'npy', 'json'] as const) {
      for (const style of ['overlay', 'heat', 'panel', 'gray16'] as const) {
        if (style === 'gray16' && format === 'svg') continue
        const request = { ...requestOf(maps[1]!, displayOf(50, 40), cropPlacement(50, 40), { format, style, size: 64 }), maps }
        const [first, second] = [await renderMap(request), await renderMap(structuredClone(request))]
        expect(Buffer.from(first.bytes).equals(Buffer.from(second.bytes))).toBe(true)
      }
    }
  })

  it('scales the whole source to the longest side asked for', async () => {
    const picture = await drawn(requestOf(mapOf(ramp), displayOf(400, 300), wholePlacement(400, 300), { size: 100 }))
    expect([picture.height, picture.width]).toEqual([100, 75])
  })

  it('keeps the image free of text: the strip lies below it', async () => {
    const display = displayOf(400, 400)
    const plain = await drawn(requestOf(mapOf(ramp), display, wholePlacement(400, 400)))
    const strip = await drawn(requestOf(mapOf(ramp), display, wholePlacement(400, 400), { strip: true }))
    expect(strip.width).toBe(400)
    expect(strip.height).toBeGreaterThan(430)
    expect(strip.data.subarray(0, plain.data.length).equals(plain.data)).toBe(true)
  })

  it('names model, hashes, method, limits and the warning in the text chunks, for a reader that is not ours', async () => {
    const map = mapOf(ramp, { layer: 3 })
    const { bytes } = await renderMap(requestOf(map, displayOf(20, 20), wholePlacement(20, 20)))
    const { comments } = await sharp(bytes).metadata()
    const texts = Object.fromEntries((comments ?? []).map(({ keyword, text }) => [keyword, text]))
    expect(texts).toMatchObject({
      'attending:model': 'dcmm-vit-tiny-patch4-28.example-v1',
      'attending:graph-sha256': 'ab'.repeat(32),
      'attending:input-sha256': 'cd'.repeat(32),
      'attending:layer': '3',
      'attending:range': '0 to 1',
      'attending:colormap': 'inferno',
      'Creation Time': '2026-01-02T03:04:05Z',
      Disclaimer: 'Research use only. Not for diagnosis.',
    })
  })

  it("calls the class's softmax what the structured report calls it, never a probability", async () => {
    const map = mapOf(ramp)
    const { bytes } = await renderMap(requestOf(map, displayOf(20, 20), wholePlacement(20, 20)))
    const { comments } = await sharp(bytes).metadata()
    const texts = Object.fromEntries((comments ?? []).map(({ keyword, text }) => [keyword, text]))
    expect(texts).toMatchObject({ 'attending:model-output-score': '0.934', 'attending:calibrated-model-output-score': '0.871' })
    const svg = Buffer.from((await renderMap(requestOf(map, displayOf(20, 20), wholePlacement(20, 20), { format: 'svg' }))).bytes).toString('utf8')
    const words = svg.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')
    const [score, calibrated] = [CODES.modelOutput.meaning, CODES.calibratedModelOutput.meaning].map((meaning) => meaning.toLowerCase())
    expect(words).toContain(`Predicted: pneumonia, ${score} 0.934, ${calibrated} 0.871`)
    expect(words).not.toContain('probability')
  })

  it('says in text and strip whether the image is what the model was trained on, a bad verdict in capitals with the checks behind it', async () => {
    const request = requestOf(mapOf(ramp), displayOf(20, 20), wholePlacement(20, 20))
    const textOf = async (inputCheck: RenderCaption['inputCheck']): Promise<readonly [string | undefined, string]> => {
      const caption = inputCheck === undefined ? request.caption : { ...request.caption, inputCheck }
      const { comments } = await sharp((await renderMap({ ...request, caption })).bytes).metadata()
      const svg = Buffer.from((await renderMap({ ...request, caption, options: { ...request.options, format: 'svg' } })).bytes).toString('utf8')
      return [(comments ?? []).find(({ keyword }) => keyword === 'attending:input-check')?.text, svg.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')]
    }
    const [outside, strip] = await textOf({ verdict: 'out-of-scope', checks: ['body-part', 'embedding'] })
    expect(outside).toBe('out-of-scope: body-part, embedding')
    expect(strip).toContain('Input check: OUT OF SCOPE for this model (body-part, embedding)')
    const [inside, calm] = await textOf({ verdict: 'in-scope', checks: [] })
    expect([inside, calm.includes('Input check: in scope')]).toEqual(['in-scope', true])
    const [nothing, silent] = await textOf(undefined)
    expect([nothing, silent.includes('Input check')]).toEqual([undefined, false])
  })

  it('writes float32 NumPy grids, of one head where asked', async () => {
    const heads = tensorOf(
      Float32Array.from({ length: 32 }, (_, i) => i / 7),
      [2, 4, 4],
    )
    const map = mapOf(ramp, { heads })
    const all = Buffer.from((await renderMap(requestOf(map, displayOf(8, 8), wholePlacement(8, 8), { format: 'npy' }))).bytes)
    const one = Buffer.from((await renderMap(requestOf(map, displayOf(8, 8), wholePlacement(8, 8), { format: 'npy', head: 1 }))).bytes)
    expect(all.subarray(0, 6)).toEqual(Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]))
    expect(all.readUInt16LE(8)).toBe(118)
    expect(all.subarray(10, 128).toString('latin1')).toMatch(/^\{'descr': '<f4', 'fortran_order': False, 'shape': \(4, 4\), \} *\n$/)
    expect(Array.from({ length: 16 }, (_, i) => all.readFloatLE(128 + 4 * i))).toEqual([...ramp.data])
    expect(Array.from({ length: 16 }, (_, i) => one.readFloatLE(128 + 4 * i))).toEqual([...at(heads, 1).data])
  })

  describe('of memberships', () => {
    const rows = 40
    const columns = 60
    // 2 x 2 patches, three communities; the second lies nowhere.
    const memberships = tensorOf(Float32Array.of(1, 0.25, 0, 0, 0, 0, 0, 0, 0, 0.75, 1, 1), [3, 2, 2])
    const map = labelMapOf(
      gridOf(2, 2, (row, column) => (row + column === 0 ? 0 : 2)),
      {
        memberships,
        communities: [0.25, 0, 0.75].map((share, index) => ({ index, share, deltaLogit: null, shapley: null })),
      },
    )
    const request = (options: Partial<RenderRequest['options']> = {}): RenderRequest =>
      requestOf(map, displayOf(rows, columns), wholePlacement(rows, columns), { style: 'memberships', size: 60, ...options })
    // A cell is as wide as its title, 120 pixels, and 12 from the next; pictures begin below a line of 24.
    const inCell = (place: number, x: number, y: number): [number, number] => [12 + place * 132 + x, 12 + 24 + y]

    it('shows the image and a picture a community, colored as strongly as a patch belongs to it', async () => {
      const picture = await drawn(request({ alpha: 0.5 }))
      const image = displayOf(rows, columns).pixels
      const corners = [
        [0, 0],
        [columns - 1, 0],
        [0, rows - 1],
        [columns - 1, rows - 1],
      ] as const
      for (const [corner, [x, y]] of corners.entries()) {
        const gray = image[y * columns + x]!
        expect(pixel(picture, ...inCell(0, x, y))).toEqual([gray, gray, gray])
        for (const community of [0, 1, 2]) {
          const opacity = 0.5 * memberships.data[4 * community + corner]!
          const expected = LABEL_COLORS[community]!.map((value) => Math.floor((1 - opacity) * gray + opacity * value + 0.5))
          expect(pixel(picture, ...inCell(1 + community, x, y))).toEqual(expected)
        }
      }
    })

    it("gives every community its label's color, and says in the strip what opacity means", async () => {
      const { bytes } = await renderMap(request())
      const picture = await decode(bytes)
      for (const community of [0, 1, 2]) expect(pixel(picture, 12 + (1 + community) * 132 + 8, 12 + 8)).toEqual([...LABEL_COLORS[community]!])
      expect(picture.height).toBeGreaterThan(12 + 24 + rows + 12 + 60)
    })

    it('are in the JSON as the pictures show them, a grid a community; of a single head there are none', async () => {
      const heads = tensorOf(new Float32Array(8), [2, 2, 2])
      const asJson = async (head: number | null): Promise<Record<string, unknown>> => {
        const { bytes } = await renderMap({ ...request({ format: 'json', style: 'overlay', head }), map: { ...map, heads } })
        return JSON.parse(Buffer.from(bytes).toString('utf8'))
      }
      expect((await asJson(null))['memberships']).toEqual([
        [
          [1, 0.25],
          [0, 0],
        ],
        [
          [0, 0],
          [0, 0],
        ],
        [
          [0, 0.75],
          [1, 1],
        ],
      ])
      expect(await asJson(1)).not.toHaveProperty('memberships')
    })

    it('starts a second row after five pictures', async () => {
      const eight = tensorOf(new Float32Array(8 * 4).fill(1 / 8), [8, 2, 2])
      const communities = Array.from({ length: 8 }, (_, index) => ({ index, share: 1 / 8, deltaLogit: null, shapley: null }))
      const many = await drawn({ ...request(), map: { ...map, memberships: eight, communities } })
      expect(many.width).toBe(12 + 5 * 132)
      // The ninth picture, the eighth community's, has the last color.
      expect(pixel(many, 12 + 3 * 132 + 8, 12 + (24 + rows + 12) + 8)).toEqual([...LABEL_COLORS[7]!])
    })

    it.each([
      ['style', { map: mapOf(ramp) }, {}],
      ['style', {}, { format: 'svg' as const }],
      ['head', { map: { ...map, heads: tensorOf(new Float32Array(4), [1, 2, 2]) } }, { head: 0 }],
    ])('refuses a %s that it can not have', async (parameter, given, options) => {
      await expect(renderMap({ ...request(options), ...given })).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter } })
    })
  })

  describe('in 16-bit gray', () => {
    const signed = mapOf(
      gridOf(3, 5, (row, column) => (row * 5 + column - 7) / 1000),
      { kind: 'diverging' },
    )
    /** libvips, told to keep 16 bits. */
    const decode16 = async (bytes: Uint8Array): Promise<{ values: Uint16Array; channels: number; width: number }> => {
      const { data, info } = await sharp(bytes).toColourspace('grey16').raw({ depth: 'ushort' }).toBuffer({ resolveWithObject: true })
      return { values: new Uint16Array(new Uint8Array(data).buffer), channels: info.channels, width: info.width }
    }

    it('gives back every value from the limits that its text states, for a reader that is not ours', async () => {
      const { bytes } = await renderMap(requestOf(signed, displayOf(30, 50), wholePlacement(30, 50), { style: 'gray16', size: 'grid' }))
      const { values, channels } = await decode16(bytes)
      const { comments, depth } = await sharp(bytes).metadata()
      const texts = Object.fromEntries((comments ?? []).map(({ keyword, text }) => [keyword, text]))
      const [, low, high] = /^linear, 0 is (\S+) and 65535 is (\S+) /.exec(texts['attending:gray-values']!)!
      expect([channels, depth]).toEqual([1, 'ushort'])
      expect([Number(low), Number(high)]).toEqual([Math.fround(-0.007), Math.fround(0.007)])
      const step = (Number(high) - Number(low)) / 65535
      expect(new Set(values).size).toBe(15)
      values.forEach((value, i) => {
        expect(Math.abs(Number(low) + value * step - signed.grid.data[i]!)).toBeLessThanOrEqual(0.5001 * step)
      })
    })

    it('has the source grid, and is transparent where the network did not see it', async () => {
      const { bytes } = await renderMap(requestOf(signed, displayOf(40, 100), cropPlacement(40, 100), { style: 'gray16' }))
      const { values, channels, width } = await decode16(bytes)
      expect([channels, width, values.length]).toEqual([2, 100, 40 * 100 * 2])
      const alphas = Array.from({ length: 100 }, (_, x) => values[2 * (20 * 100 + x) + 1])
      expect(alphas).toEqual(Array.from({ length: 100 }, (_, x) => (x >= 30 && x < 70 ? 65535 : 0)))
    })

    it('keeps the number of a label', async () => {
      const labels = labelMapOf(gridOf(2, 3, (row, column) => row * 3 + column))
      const { bytes } = await renderMap(requestOf(labels, displayOf(20, 30), wholePlacement(20, 30), { style: 'gray16', size: 'grid' }))
      expect([...(await decode16(bytes)).values]).toEqual([0, 1, 2, 3, 4, 5])
      expect(Buffer.from(bytes).includes('the label itself, from 0')).toBe(true)
    })

    it('leaves the values alone when the strip is added below', async () => {
      const request = requestOf(signed, displayOf(400, 400), wholePlacement(400, 400), { style: 'gray16' })
      const plain = await decode16((await renderMap(request)).bytes)
      const strip = await decode16((await renderMap({ ...request, options: { ...request.options, strip: true } })).bytes)
      expect(strip.width).toBe(400)
      expect(strip.values.length).toBeGreaterThan(plain.values.length + 400 * 30)
      expect(strip.values.subarray(0, plain.values.length)).toEqual(plain.values)
    })

    it.each([
      ['style', { format: 'svg' as const }],
      ['colormap', { colormap: 'viridis' }],
    ])('refuses a %s that it can not have', async (parameter, options) => {
      const request = requestOf(signed, displayOf(8, 8), wholePlacement(8, 8), { style: 'gray16', ...options })
      await expect(renderMap(request)).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter } })
    })
  })

  it('writes a JSON twin with grid, limits, transform and the sentence for those who can not see it', async () => {
    const map = mapOf(ramp)
    const json = JSON.parse(Buffer.from((await renderMap(requestOf(map, displayOf(8, 8), wholePlacement(8, 8), { format: 'json' }))).bytes).toString('utf8'))
    expect(json).toMatchObject({
      name: 'attention',
      range: { min: 0, max: 1 },
      shape: [4, 4],
      altText: map.altText,
      placement: wholePlacement(8, 8),
      notice: 'Research use only. Not for diagnosis.',
    })
    expect(json.grid.flat()).toEqual([...ramp.data])
    expect(json).not.toHaveProperty('memberships')
  })

  it('writes into the JSON the figures of what its grid shows, those of a single head where one was asked for, and none where the map has none', async () => {
    const heads = tensorOf(
      Float32Array.from({ length: 32 }, (_, i) => Math.sqrt(i)),
      [2, 4, 4],
    )
    const figuresOf = async (map: ExplanationMap, head: number | null): Promise<unknown> => {
      const { bytes } = await renderMap(requestOf(map, displayOf(8, 8), wholePlacement(8, 8), { format: 'json', head }))
      return JSON.parse(Buffer.from(bytes).toString('utf8')).statistics
    }
    const map = mapOf(ramp, { heads, statistics: statisticsOf(ramp) })
    expect(await figuresOf(map, null)).toEqual(statisticsOf(ramp))
    expect(await figuresOf(map, 1)).toEqual(statisticsOf(at(heads, 1)))
    const { statistics: _, ...older } = map
    expect(await figuresOf(older, 1)).toBeUndefined()
  })

  it('writes an SVG whose words are escaped, with title and description', async () => {
    const map = mapOf(ramp, { title: 'a < b & "c"' })
    const svg = Buffer.from((await renderMap(requestOf(map, displayOf(8, 8), wholePlacement(8, 8), { format: 'svg' }))).bytes).toString('utf8')
    expect(svg).toContain('<title id="title">a &lt; b &amp; &quot;c&quot;</title>')
    expect(svg).not.toContain('a < b')
    const { width } = await sharp(Buffer.from(svg)).metadata() // libvips reads it, so it is well-formed
    expect(width).toBeGreaterThan(400)
  })

  it.each([
    ['head', { head: 3 }],
    ['head', { head: -1 }],
    ['colormap', { colormap: 'jet' }],
    ['alpha', { alpha: 1.01 }],
    ['alpha', { alpha: Number.NaN }],
    ['size', { size: 0 }],
    ['size', { size: 100_000 }],
  ])('refuses a wrong %s by name', async (parameter, options) => {
    const map = mapOf(ramp, { heads: tensorOf(new Float32Array(48), [3, 4, 4]) })
    await expect(renderMap(requestOf(map, displayOf(8, 8), wholePlacement(8, 8), options))).rejects.toMatchObject({ code: 'parameter-invalid', facts: { parameter } })
  })

  it('puts the hot patch where the source says, for any size, fit and turn', async () => {
    const turns = fc.constantFrom(0 as const, 1 as const, 2 as const, 3 as const)
    const side = fc.integer({ min: 16, max: 220 })
    const property = fc.asyncProperty(side, side, fc.constantFrom(7, 8, 14), turns, fc.nat(10_000), async (rows, columns, g, quarterTurns, seed) => {
      const hot = { row: seed % g, column: Math.floor(seed / g) % g }
      const map = mapOf(
        gridOf(g, g, (row, column) => (row === hot.row && column === hot.column ? 1 : 0)),
        { range: { min: 0, max: 1 }, interpolation: 'nearest' },
      )
      const placement = { ...cropPlacement(rows, columns), quarterTurns }
      const picture = await drawn(requestOf(map, displayOf(rows, columns), placement, { style: 'heat' }))
      // The square turned clockwise: what is at (v, u) of the source is at this place of the input.
      let matches = 0
      for (let y = 0; y < rows; y++) {
        for (let x = 0; x < columns; x++) {
          const v = (y + 0.5 - placement.top) / placement.height
          const u = (x + 0.5 - placement.left) / placement.width
          const inView = v >= 0 && v < 1 && u >= 0 && u < 1
          const [iv, iu] = (
            [
              [v, u],
              [u, 1 - v],
              [1 - v, 1 - u],
              [1 - u, v],
            ] as const
          )[quarterTurns]
          const near = (value: number): boolean => Math.abs(value * g - Math.round(value * g)) < 1e-6
          if (!inView || near(iv) || near(iu)) continue
          const isHot = Math.floor(iv * g) === hot.row && Math.floor(iu * g) === hot.column
          if ((pixel(picture, x, y)[0] === 252) !== isHot) return false
          matches++
        }
      }
      return matches > 0
    })
    await fc.assert(property, { numRuns: 20 })
  })
})
