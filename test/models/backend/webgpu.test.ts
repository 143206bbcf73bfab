import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../../..')
const hasPackages = ['webgpu', '@tensorflow/tfjs-backend-webgpu'].every((name) => existsSync(resolve(root, 'node_modules', name, 'package.json')))

/** Debian's chromium brings a Vulkan loader and SwiftShader, Google's software driver. */
const CHROMIUM = '/usr/lib/chromium'
const hasSwiftShader = ['libvulkan.so.1', 'vk_swiftshader_icd.json'].every((file) => existsSync(`${CHROMIUM}/${file}`))

describe('the webgpu backend', () => {
  it.skipIf(!hasPackages || !hasSwiftShader)(
    "meets the golden gradients and five AdamW steps of all three networks on SwiftShader, and is not chosen by itself there (needs the npm packages webgpu and @tensorflow/tfjs-backend-webgpu and Debian's chromium)",
    () => {
      const env = { ...process.env, LD_LIBRARY_PATH: CHROMIUM, VK_ICD_FILENAMES: `${CHROMIUM}/vk_swiftshader_icd.json` }
      const { stdout, stderr } = spawnSync(process.execPath, [resolve(root, 'test/models/support/webgpu-golden.ts')], { env, encoding: 'utf8' })
      expect(stdout, stderr).toMatch(/^\{/)
      const { running, description, automatic, networks } = JSON.parse(stdout)
      expect(running).toBe('webgpu')
      expect(description).toContain('SwiftShader')
      expect(automatic.name).not.toBe('webgpu')
      expect(automatic.refused).toContainEqual({ backend: 'webgpu', reason: expect.stringContaining('only a software adapter') })
      expect(Object.keys(networks)).toEqual(['vit', 'dcmm', 'sbm-masked'])
      for (const { compared, missed } of Object.values<{ compared: number; missed: object }>(networks)) {
        expect(compared).toBeGreaterThan(30)
        expect(missed).toEqual({})
      }
    },
    600_000,
  )

  // In a process of its own: the test runner resolves an optional peer in its own way, with its own message.
  it.skipIf(hasPackages)('is refused with the reason where its packages are not installed', () => {
    const script = `import('${resolve(root, 'models/backend/choose-backend.ts')}').then((it) => it.chooseBackend('webgpu')).catch(({ code, message }) => console.log(code, message))`
    const { stdout, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
    expect(stdout, stderr).toMatch(/^backend-unavailable .*webgpu: not installed/)
  })
})
