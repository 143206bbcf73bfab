import { describe, expect, it } from 'vitest'
import { inheritedFlags, NODE_FLAGS } from '../../src/engine/node-flags.ts'

describe('the flags of an engine', () => {
  it('are those of its server that tune the heap, and no debugger, loader or warning of it', () => {
    expect(inheritedFlags(['--disable-warning=ExperimentalWarning', '--inspect=9229', ...NODE_FLAGS])).toEqual(NODE_FLAGS)
  })

  it('are none under a server that runs without them, whose Node may not know them', () => {
    expect(inheritedFlags(['--disable-warning=ExperimentalWarning'])).toEqual([])
  })
})
