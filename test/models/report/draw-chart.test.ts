import { describe, expect, it } from 'vitest'
import { drawChart } from '../../../models/report/draw-chart.ts'

const share = { min: 0, max: 1 }

describe('drawChart', () => {
  it('puts the corners of the unit square at the corners of its frame', () => {
    const points: [number, number][] = [
      [0, 0],
      [1, 1],
    ]
    const svg = drawChart({ title: 'ROC', x: { label: 'x', ...share }, y: { label: 'y', ...share }, lines: [{ label: 'a', points }] })
    expect(svg).toContain('points="58.0,294.0 444.0,34.0"')
    expect(svg).toContain('<rect x="58" y="34" width="386" height="260"')
  })

  it('shows a name with markup as text', () => {
    const svg = drawChart({ title: '<b>', x: { label: '&', ...share }, y: { label: '"', ...share }, lines: [{ label: '<script>', points: [] }] })
    expect(svg).not.toMatch(/<b>|<script>/)
    expect(svg).toContain('&lt;script&gt;')
  })
})
