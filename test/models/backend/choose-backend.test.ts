import * as tf from '@tensorflow/tfjs'
import { describe, expect, it, vi } from 'vitest'
import { BACKEND_NAMES, chooseBackend, parseBackendName } from '../../../models/backend/choose-backend.ts'

describe('chooseBackend', () => {
  it.each(['cpu', 'wasm-shipped', 'wasm'] as const)('starts %s when asked for it by name, and TF.js really runs it', async (name) => {
    const chosen = await chooseBackend(name)
    expect(chosen.name).toBe(name)
    expect(tf.getBackend()).toBe(name === 'cpu' ? 'cpu' : 'wasm')
    expect(chosen.refused).toEqual([])
  })

  it('keeps the advertisement of TF.js off the terminal', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    await chooseBackend('cpu')
    expect([...(await tf.add(tf.tensor1d([1]), 2).data())]).toEqual([3])
    expect(warn).not.toHaveBeenCalled()
    warn.mockRestore()
  })

  it('fails loudly, with the reason, when the wanted backend is not installed', async () => {
    await expect(chooseBackend('tfjs-node-gpu')).rejects.toMatchObject({
      code: 'backend-unavailable',
      facts: { backend: 'tfjs-node-gpu' },
      message: expect.stringContaining('tfjs-node-gpu:'),
    })
  })

  it('says why each better backend was refused when it chooses by itself', async () => {
    const chosen = await chooseBackend(null)
    const better = BACKEND_NAMES.slice(0, BACKEND_NAMES.indexOf(chosen.name))
    expect(chosen.refused.map(({ backend }) => backend)).toEqual(better)
    for (const { reason } of chosen.refused) expect(reason).not.toBe('')
  })
})

describe('parseBackendName', () => {
  it('refuses a name that is no backend of ours', () => {
    expect(() => parseBackendName('cuda')).toThrow(expect.objectContaining({ code: 'parameter-invalid' }))
  })
})
