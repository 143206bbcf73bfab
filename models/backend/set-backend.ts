/** The name of a registered TF.js backend in, TF.js running on it out. */
import * as tf from '@tensorflow/tfjs'

/** Throws: Error where TF.js does not know it, or runs another: it falls back in silence, so that what runs is asserted. */
export async function setBackendOrThrow(name: string): Promise<void> {
  if (!tf.findBackendFactory(name)) throw new Error(`TF.js knows no backend ${name}`)
  await tf.setBackend(name)
  await tf.ready()
  if (tf.getBackend() !== name) throw new Error(`asked for ${name}, TF.js runs ${tf.getBackend()}`)
}
