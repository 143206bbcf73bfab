/** An engine that does what the model id of its request says: the real loop in a real fork, without models. */
import { appendFileSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Predicted, Provenance } from '../../../src/domain/prediction.ts'
import { Problem } from '../../../src/domain/problem.ts'
import type { EngineRequest, EngineResult } from '../../../src/engine/messages.ts'
import { serveJobs } from '../../../src/engine/serve-jobs.ts'
import type { InstanceRequest, InstanceResult } from '../../../src/routing/instance.ts'
import { sampleMap, samplePrediction } from '../../http/support/sample-prediction.ts'

let folder = ''

serveJobs(async ({ modelsFolder, software }) => {
  folder = modelsFolder
  if (software === 'refused') throw new Problem('bundle-refused', 'the graph is not the one of the manifest', { reason: 'hash' })
  if (software === 'dies') {
    process.stderr.write('cannot open shared object\n')
    process.kill(process.pid, 'SIGKILL')
  }
  return { models: ['scripted'], run, release: async () => writeFileSync(join(folder, `released-${process.pid}`), '') }
})

async function run(request: EngineRequest, advanced: () => void): Promise<EngineResult> {
  if (request.kind === 'render') return { mediaType: 'image/png', bytes: request.display.pixels }
  if (request.kind === 'results')
    return {
      objects: [{ kind: request.resultKind, map: null, studyInstanceUid: '1.2.8', seriesInstanceUid: '1.2.9', sopClassUid: '1.2', sopInstanceUid: '1.2.3', bytes: request.origin }],
      omitted: [],
    }
  if (request.kind === 'instance') return runInstance(request.instance, advanced)
  if (request.kind === 'perturb') return Float64Array.from({ length: request.count }, (_, pass) => request.start + pass)
  if (request.kind === 'perturbation-map') return { ...sampleMap, numbers: { sum: request.probabilities.reduce((sum, value) => sum + value, 0) } }
  const [action = '', argument = ''] = request.modelId.split(':')
  appendFileSync(join(folder, 'order'), `${request.modelId}\n`)
  switch (action) {
    case 'hang':
      // Native code that never returns can't be asked to stop: neither can this.
      for (;;);
    case 'crash':
      process.kill(process.pid, 'SIGKILL')
      break
    case 'crash-once':
      if (!existsSync(join(folder, argument))) {
        writeFileSync(join(folder, argument), '')
        process.kill(process.pid, 'SIGKILL')
      }
      break
    case 'wait-for':
      while (!existsSync(join(folder, argument))) await new Promise((done) => setTimeout(done, 5))
      break
    case 'problem':
      throw new Problem('dicom-truncated', 'the file ends inside an element', {})
    case 'bug':
      throw new TypeError(`cannot read DOE^JANE of ${request.modelId}`)
    case 'environment':
      return answerOf({ runtime: Object.keys(process.env).sort().join(',') })
    case 'chatter':
      process.stdout.write('DOE^JANE\n')
      process.stderr.write('DOE^JANE\n')
      break
  }
  return answerOf({ runtime: String(process.pid), inputSha256: String(request.bytes.length) })
}

/** A byte is a frame that takes so many times 100 ms; 255 never ends. */
async function runInstance({ bytes }: InstanceRequest, advanced: () => void): Promise<InstanceResult> {
  for (const frame of bytes) {
    while (frame === 255);
    await new Promise((done) => setTimeout(done, 100 * frame))
    advanced()
  }
  return { kind: 'skipped', reason: `${bytes.length} bytes` }
}

const answerOf = (provenance: Partial<Provenance>): Predicted => ({
  prediction: { ...samplePrediction, provenance: { ...samplePrediction.provenance, ...provenance } },
  origin: Uint8Array.of(1, 2, 3),
})
