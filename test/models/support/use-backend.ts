/** TF.js on a backend of a test's choice, asserted, since TF.js falls back in silence. */
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import * as tf from '@tensorflow/tfjs'
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm'

export const TEST_BACKENDS = ['cpu', 'wasm'] as const
export type TestBackend = (typeof TEST_BACKENDS)[number]

export async function useBackend(name: TestBackend): Promise<void> {
  tf.enableProdMode() // no banner
  setWasmPaths(`${dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))}/`)
  await tf.setBackend(name)
  await tf.ready()
  if (tf.getBackend() !== name) throw new Error(`asked for ${name}, TF.js runs ${tf.getBackend()}`)
}
