/**
 * The two released models of PneumoniaMNIST and its test images in, the pictures of docs/reading-maps.md out: `node launch.mjs test/support/draw-doc-pictures.ts`.
 *
 * With a folder as its argument it draws there, to compare. The same model and program give the same bytes. Images: PneumoniaMNIST (MedMNIST v2, CC BY 4.0; Kermany et al., Cell 2018).
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readDataSet } from '../../models/data/read-data-set.ts'
import type { PredictionArtifacts } from '../../src/domain/kept-prediction.ts'
import type { PerturbationMethod } from '../../src/domain/perturbation.ts'
import type { Prediction, RenderOptions, RenderRequest } from '../../src/domain/prediction.ts'
import { toArtifacts } from '../../src/http/to-answer.ts'
import { type Bundle, loadBundle } from '../../src/infer/load-bundle.ts'
import { draw, explainByPasses, predict } from '../../src/pipeline.ts'
import { encodePng } from '../../src/render/png.ts'
import { dataFile } from './corpus.ts'

const root = resolve(import.meta.dirname, '../..')
const OUT = resolve(process.argv[2] ?? join(root, 'docs', 'pictures'))
const MODEL = 'dcmm-vit-tiny-patch4-28.pneumonia-v1'
const STOCHASTIC = 'sbm-vit-tiny-patch4-28.pneumonia-v1'
/** Places in the test split, with what the film is and what both models answer, as the page says. */
const IMAGES = [
  { index: 1, label: 'normal', answer: 'pneumonia' },
  { index: 2, label: 'pneumonia', answer: 'pneumonia' },
  { index: 3, label: 'normal', answer: 'normal' },
] as const
const MAPS = [
  'communities',
  'attention',
  'degree',
  'delta',
  'evidence',
  'structure-attribution',
  'evidence-signed',
  'knockout',
  'shapley',
  'entropy',
  'hub',
  'rollout',
  'attention-without-structure',
]
const STOCHASTIC_MAPS = ['communities', 'query-loading', 'key-loading', 'edge-probability', 'mask', 'mask-spread']
const DRAWN_MASKS = 16
const MANY_PASSES: readonly PerturbationMethod[] = [
  { kind: 'occlusion', baseline: 'mean' },
  { kind: 'occlusion', baseline: 'blur' },
  { kind: 'rise', masks: 2000, seed: 0 },
]
const OVERLAY: RenderOptions = { format: 'png', style: 'overlay', alpha: 0.5, head: null, colormap: null, size: 112 }
const CREATED_AT = '2026-01-01T00:00:00Z'

type Image = (typeof IMAGES)[number]

const data = readDataSet(readFileSync(dataFile('medmnist/pneumoniamnist.npz')), { allowed: [] })
mkdirSync(OUT, { recursive: true })
const bundle = await loadBundle(join(root, 'models', 'released', MODEL))
for (const image of IMAGES) await drawImage(bundle, image)
await bundle.release()
const stochastic = await loadBundle(join(root, 'models', 'released', STOCHASTIC))
for (const image of IMAGES) await drawStochastic(stochastic, image)
await stochastic.release()

async function drawImage(model: Bundle, image: Image): Promise<void> {
  const { index } = image
  const prediction = await predictImage(model, image, MAPS, 0)
  const { artifacts, save } = drawingOf(prediction, index, `${index}`)
  for (const map of artifacts.maps) await save(map.name, map, OVERLAY)
  for (const method of MANY_PASSES) {
    const map = await explainPredicted(model, prediction, method)
    await save(map.name, map, OVERLAY)
    if (image === IMAGES[0] && method.kind === 'rise') await save('rise-panel', map, { ...OVERLAY, style: 'panel', alpha: 0.4, size: 192 })
  }
  const communities = artifacts.maps.find(({ name }) => name === 'communities')
  if (communities === undefined) throw new RangeError('the released model gives no communities')
  await save('panel', communities, { ...OVERLAY, style: 'panel', alpha: 0.4, size: 192 })
  if (image === IMAGES[0]) await save('memberships', communities, { ...OVERLAY, style: 'memberships', alpha: 0.8, size: 140 })
  for (let head = 0; head < model.manifest.heads; head++) await save(`communities-head-${head}`, communities, { ...OVERLAY, head })
}

async function drawStochastic(model: Bundle, image: Image): Promise<void> {
  const { index } = image
  const prediction = await predictImage(model, image, STOCHASTIC_MAPS, DRAWN_MASKS)
  const { artifacts, save } = drawingOf(prediction, index, `sbm-${index}`)
  for (const map of artifacts.maps) await save(map.name, map, OVERLAY)
  process.stdout.write(`${index}: ${prediction.explanation.predictedClass} ${JSON.stringify(prediction.explanation.uncertainty)}\n`)
}

/** Throws where the film or its answer is another than the page says. */
async function predictImage(model: Bundle, { index, label, answer }: Image, maps: readonly string[], samples: number): Promise<Prediction> {
  const size = data.height * data.width
  const bytes = await encodePng({ width: data.width, height: data.height, color: 'gray', pixels: data.splits.test.images.subarray(index * size, (index + 1) * size), texts: [] })
  const options = { frame: 1, maps, explainedClass: null, seed: 0, samples }
  const { prediction } = await predict(model, { kind: 'predict', modelId: model.manifest.id, bytes, options }, 'attending')
  const found = [data.facts.classes[data.splits.test.labels[index] ?? -1], prediction.explanation.predictedClass]
  if (found[0] !== label || found[1] !== answer) throw new RangeError(`film ${index} is ${found.join(', answered ')}`)
  return prediction
}

type SavePicture = (name: string, map: RenderRequest['map'], look: RenderOptions) => Promise<void>

/** What the pictures of an image are drawn from, and what writes one, its name behind the prefix. */
function drawingOf(prediction: Prediction, index: number, prefix: string): { readonly artifacts: PredictionArtifacts; readonly save: SavePicture } {
  const artifacts = toArtifacts(prediction, `pneumoniamnist test ${index}`, CREATED_AT)
  const save: SavePicture = async (name, map, look) => {
    const { bytes } = await draw({ kind: 'render', ...artifacts, map, options: look })
    writeFileSync(join(OUT, `${prefix}-${name}.png`), bytes)
  }
  return { artifacts, save }
}

/** For the predicted class. */
async function explainPredicted(model: Bundle, { networkInput, explanation }: Prediction, method: PerturbationMethod): Promise<RenderRequest['map']> {
  if (networkInput === undefined) throw new RangeError('the road keeps what the network saw')
  const classIndex = explanation.classes.findIndex(({ name }) => name === explanation.predictedClass)
  const order = { modelId: MODEL, method, pixels: networkInput, classIndex, networkSeed: 0 }
  const map = await explainByPasses(model, order)
  process.stdout.write(`${map.altText} ${JSON.stringify(map.numbers)} ${map.notes.join('; ')}\n`)
  return map
}
