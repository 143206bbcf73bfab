/** The documents against the code, in both directions where both are lists. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { counterUniformFunction } from '../../export/ops/counter-uniform.ts'
import { dcmmAttentionFunction } from '../../export/ops/degree-corrected-mixed-membership-attention.ts'
import { sbmAttentionFunction } from '../../export/ops/stochastic-block-attention.ts'
import { DCMM_RELEASED, SBM_RELEASED } from '../../models/network-config.ts'
import { parseManifest } from '../../src/domain/manifest.ts'
import { OUTPUT_NAMES } from '../../src/domain/outputs.ts'
import { MAP_METHODS } from '../../src/explain/map-catalog.ts'
import { REFUSAL_REASONS } from '../../src/infer/check-graph.ts'

const read = (name: string): string => readFileSync(join(resolve(import.meta.dirname, '../..'), 'docs', name), 'utf8')

describe('docs/custom-ops.md', () => {
  const text = read('custom-ops.md')
  const functions = [dcmmAttentionFunction(DCMM_RELEASED), sbmAttentionFunction(SBM_RELEASED, { mode: 'expected' }), counterUniformFunction()]

  it.each(functions.map((body) => [body.name, body] as const))('names every input, output and attribute of %s, and no other', (name, body) => {
    const section = text.split(/^## /m).find((part) => part.startsWith(name))!
    const rows = section.split('\n').filter((line) => line.startsWith('| `'))
    const named = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`([a-z_0-9]+)`/g)].map((match) => match[1]!))
    const rules = ['expected', 'threshold']
    const declared = [...body.inputs, ...body.outputs, ...body.required, ...Object.keys(body.defaults)]
    expect(named.filter((word) => !rules.includes(word)).sort()).toEqual([...declared].sort())
  })

  it('has no operation that the exporter does not write', () => {
    expect([...text.matchAll(/^## ([A-Z][a-z]+(?:[A-Z][a-z]+)+)$/gm)].map((match) => match[1])).toEqual(functions.map(({ name }) => name))
  })
})

describe('docs/bundle.md', () => {
  const text = read('bundle.md')
  const section = (title: string): string => text.split(/^## /m).find((part) => part.startsWith(title))!
  const firstCells = (part: string): string[] =>
    part
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split('|')[1]!)

  it('explains every reason of a refusal, and no other', () => {
    const explained = firstCells(section('What is refused')).flatMap((cell) => [...cell.matchAll(/`([a-z-]+)`/g)].map((match) => match[1]))
    expect(explained.sort()).toEqual([...REFUSAL_REASONS].sort())
  })

  it('says of every output what it costs to leave it out', () => {
    const named = firstCells(section('Outputs')).flatMap((cell) => [...cell.matchAll(/`([A-Za-z]+)`/g)].map((match) => match[1]))
    expect([...new Set(named)].sort()).toEqual([...OUTPUT_NAMES].sort())
  })

  it('names every map that the catalog has', () => {
    const costs = section('Outputs')
    expect(MAP_METHODS.map(({ name }) => name).filter((name) => !costs.includes(`\`${name}\``))).toEqual([])
  })

  it('shows a manifest that the schema takes', () => {
    const json = /```json\n([\s\S]*?)```/.exec(text)![1]!.replace('<sha256sum model.onnx>', '0'.repeat(64))
    expect(parseManifest(JSON.parse(json)).network).toBe('other-vit')
  })
})
