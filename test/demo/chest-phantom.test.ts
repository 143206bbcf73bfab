import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { buildChestPhantom, chestPhantomPixels } from '../../src/demo/chest-phantom.ts'

const SMALL = { rows: 61, columns: 47, seed: 3, opacity: 0.8 }
const hasDciodvfy = spawnSync('dciodvfy', ['-version']).error === undefined

const meanOf = (pixels: Uint16Array, columns: number, rows: readonly [number, number], cols: readonly [number, number]): number => {
  let sum = 0
  for (let row = rows[0]; row < rows[1]; row++) for (let column = cols[0]; column < cols[1]; column++) sum += pixels[row * columns + column]!
  return sum / ((rows[1] - rows[0]) * (cols[1] - cols[0]))
}

describe('the chest phantom', () => {
  it('has dark lungs beside a bright spine, and air around the body', () => {
    const pixels = chestPhantomPixels({ rows: 200, columns: 200, seed: 1, opacity: 0 })
    const lung = meanOf(pixels, 200, [70, 90], [50, 66])
    const spine = meanOf(pixels, 200, [70, 90], [97, 103])
    expect(spine).toBeGreaterThan(2 * lung)
    expect(meanOf(pixels, 200, [0, 10], [0, 10])).toBeLessThan(100)
    expect(Math.max(...pixels)).toBeLessThan(4096)
  })

  it('is brighter in the right lung where an opacity is asked for, and nowhere else', () => {
    const clear = chestPhantomPixels({ rows: 200, columns: 200, seed: 1, opacity: 0 })
    const dense = chestPhantomPixels({ rows: 200, columns: 200, seed: 1, opacity: 1 })
    expect(meanOf(dense, 200, [105, 123], [48, 64])).toBeGreaterThan(1.5 * meanOf(clear, 200, [105, 123], [48, 64]))
    expect(meanOf(dense, 200, [105, 123], [136, 152])).toBeCloseTo(meanOf(clear, 200, [105, 123], [136, 152]), 0)
  })

  it('gives the same bytes for the same options, and others for another seed', () => {
    expect(Buffer.compare(buildChestPhantom(SMALL), buildChestPhantom(SMALL))).toBe(0)
    expect(Buffer.compare(buildChestPhantom(SMALL), buildChestPhantom({ ...SMALL, seed: 4 }))).not.toBe(0)
  })

  it.skipIf(!hasDciodvfy)('is a valid digital radiograph by dciodvfy (needs dicom3tools)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'attending-phantom-'))
    try {
      writeFileSync(join(folder, 'phantom.dcm'), buildChestPhantom(SMALL))
      const { stderr, status } = spawnSync('dciodvfy', [join(folder, 'phantom.dcm')], { encoding: 'utf8' })
      expect(stderr.split('\n').filter((line) => line.startsWith('Error'))).toEqual([])
      expect(status).toBe(0)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
