/**
 * The released model with a taught community and BUSI in, the pictures of docs/reading-maps.md on it and the counts stated there out: `node launch.mjs test/support/draw-taught-pictures.ts`.
 *
 * With a folder as its argument it draws there, to compare. Images: BreastMNIST's (MedMNIST v2, CC BY 4.0; Al-Dhabyani et al., Data in Brief 28:104863, 2020) with BUSI's masks.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { splitMaskShares } from '../../models/data/mask-shares.ts'
import { readDataSet } from '../../models/data/read-data-set.ts'
import type { ExplanationMap } from '../../src/domain/explanation.ts'
import type { Prediction, RenderOptions } from '../../src/domain/prediction.ts'
import { toArtifacts } from '../../src/http/to-answer.ts'
import { loadBundle } from '../../src/infer/load-bundle.ts'
import { draw, predict } from '../../src/pipeline.ts'
import { encodePng } from '../../src/render/png.ts'
import { tensorOf } from '../../src/tensor/tensor.ts'
import { dataFile } from './corpus.ts'

const root = resolve(import.meta.dirname, '../..')
const OUT = resolve(process.argv[2] ?? join(root, 'docs', 'pictures'))
const MODEL = 'dcmm-vit-small-patch8-128.breast-lesion-v1'
const PATCH = 8
const TAUGHT = 'supervised-community'
/** Places in the test split with label, answer and whether some patch is drawn, as the page says. Chosen to differ; none has a near twin in another split, and the last has no lesion. */
const IMAGES = [
  { index: 6, label: 'malignant', answer: 'malignant', isDrawn: true },
  { index: 24, label: 'malignant', answer: 'normal or benign', isDrawn: true },
  { index: 19, label: 'normal or benign', answer: 'normal or benign', isDrawn: false },
  { index: 100, label: 'normal or benign', answer: 'normal or benign', isDrawn: true },
]
const OVERLAY: RenderOptions = { format: 'png', style: 'overlay', alpha: 0.5, head: null, colormap: null, size: 'source' }
const CREATED_AT = '2026-01-01T00:00:00Z'

const data = readDataSet(readFileSync(dataFile('busi128/busi128.npz')), { allowed: [] })
const { height, width, splits } = data
const { height: rows, width: columns } = { height: height / PATCH, width: width / PATCH }
const shares = splitMaskShares(data, 'test', PATCH)
const bundle = await loadBundle(join(root, 'models', 'released', MODEL))
mkdirSync(OUT, { recursive: true })

const counts = { lesions: 0, missed: 0, without: 0, drawnWithout: 0 }
for (let index = 0; index < splits.test.count; index++) {
  const prediction = await predicted(index)
  count(mapOf(prediction, TAUGHT), index)
  const image = IMAGES.find((each) => each.index === index)
  if (image !== undefined) await drawImage(prediction, image)
}
await bundle.release()
process.stdout.write(`${JSON.stringify(counts)}\n`)

async function predicted(index: number): Promise<Prediction> {
  const pixels = splits.test.images.subarray(index * height * width, (index + 1) * height * width)
  const bytes = await encodePng({ width, height, color: 'gray', pixels, texts: [] })
  const options = { frame: 1, maps: [TAUGHT, 'evidence', 'attention'], explainedClass: null, seed: 0, samples: 0 }
  const { prediction } = await predict(bundle, { kind: 'predict', modelId: MODEL, bytes, options }, 'attending')
  return prediction
}

function mapOf({ explanation }: Prediction, name: string): ExplanationMap {
  const map = explanation.maps.find((each) => each.name === name)
  if (map === undefined) throw new RangeError(`the released model gives no ${name}`)
  return map
}

/** Whether some patch belongs to the taught community for half or more. */
function isDrawnIn({ grid }: ExplanationMap): boolean {
  return grid.data.some((membership) => membership >= 0.5)
}

function count(taught: ExplanationMap, index: number): void {
  const isDrawn = isDrawnIn(taught)
  if (sharesOf(index).some((share) => share > 0)) {
    counts.lesions++
    if (!isDrawn) counts.missed++
  } else {
    counts.without++
    if (isDrawn) counts.drawnWithout++
  }
}

/** The part of each patch that readers marked: what the community was taught to give. */
function sharesOf(index: number): Float32Array {
  return shares.slice(index * rows * columns, (index + 1) * rows * columns)
}

/** Drawn by the same rules, so that both can be compared; its text says that no model made it. */
function readersMap(taught: ExplanationMap, index: number): ExplanationMap {
  return {
    ...taught,
    name: 'readers',
    title: 'Part of each patch that readers marked',
    grid: tensorOf(sharesOf(index), [rows, columns]),
    heads: null,
    unit: 'share',
    method: "the data set's mask, no output of the model",
    source: 'masks of BUSI',
    altText: 'Where readers marked a lesion.',
    notes: [],
  }
}

/** Throws where the image or what becomes of it is another than the page says. */
async function drawImage(prediction: Prediction, { index, label, answer, isDrawn }: (typeof IMAGES)[number]): Promise<void> {
  const artifacts = toArtifacts(prediction, `busi128 test ${index}`, CREATED_AT)
  const taught = mapOf(prediction, TAUGHT)
  const found = [data.facts.classes[splits.test.labels[index] ?? -1], prediction.explanation.predictedClass, isDrawnIn(taught)]
  if (found.join() !== [label, answer, isDrawn].join()) throw new RangeError(`image ${index} is ${found.join(', ')}`)
  const save = async (name: string, map: ExplanationMap, look: RenderOptions): Promise<void> => {
    const { bytes } = await draw({ kind: 'render', ...artifacts, map, options: look })
    writeFileSync(join(OUT, `taught-${index}-${name}.png`), bytes)
  }
  await save('image', taught, { ...OVERLAY, alpha: 0 })
  await save('readers', readersMap(taught, index), OVERLAY)
  await save('community', taught, OVERLAY)
  for (const name of ['evidence', 'attention']) await save(name, mapOf(prediction, name), OVERLAY)
}
