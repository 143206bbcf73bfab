import { describe, expect, it } from 'vitest'
import { bench } from './train.ts'

describe('npm run bench -- train', () => {
  it('steps every network on the contenders that are there, and names those that are not', async () => {
    const text = await bench(['--networks', 'vit,dcmm-vit,sbm-vit', '--sizes', '28', '--batch', '4', '--rounds', '1', '--only', 'wasm,tfjs-node-gpu'])
    const rows = text.split('\n').filter((line) => / 28 px /.test(line))
    expect(rows).toHaveLength(6)
    for (const network of ['vit', 'dcmm-vit', 'sbm-vit']) {
      expect(rows).toContainEqual(expect.stringMatching(new RegExp(`^\\| ${network} 28 px \\| wasm \\| 1 \\| [1-9]\\d* \\| [1-9]\\d* \\| 1\\.00 \\|$`)))
      expect(rows).toContainEqual(expect.stringMatching(new RegExp(`^\\| ${network} 28 px \\| tfjs-node-gpu \\| - \\| - \\| - \\| not run: .*not installed`)))
    }
  })
})
