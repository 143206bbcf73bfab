/** Models and what a file says of itself in, the model that a command takes unasked out. */
import { isMadeFor, isTelling } from '../domain/modality.ts'
import { Problem } from '../domain/problem.ts'

/** What is asked of a model: its id, and the DICOM modalities that it was made for, none for any. */
export interface Choosable {
  readonly id: string
  readonly modalities: readonly string[]
}

/**
 * The first model that was made for the file's modality. A file that does not say what it shows is never answered by a model at random.
 *
 * modality  null where the file states none, as PNG and JPEG
 *
 * Throws: "parameter-invalid" where the file does not say it and the models differ in it; "image-out-of-scope" where no model was made for it; "model-unknown"
 * without any model.
 */
export function chooseModel<T extends Choosable>(models: readonly T[], modality: string | null): T {
  const [first] = models
  if (first === undefined) throw new Problem('model-unknown', 'there is no model', {})
  if (!isTelling(modality)) {
    if (models.every(({ modalities }) => modalities.join() === first.modalities.join())) return first
    throw new Problem('parameter-invalid', `the file does not say what it shows: choose a model with --model; there are ${listed(models)}`, { parameter: 'model' })
  }
  const found = models.find(({ modalities }) => isMadeFor(modalities, modality))
  if (found === undefined) throw new Problem('image-out-of-scope', `no model was made for ${modality}; there are ${listed(models)}`, { modality })
  return found
}

function listed(models: readonly Choosable[]): string {
  return models.map(({ id, modalities }) => (modalities.length === 0 ? id : `${id} (${modalities.join(', ')})`)).join(', ')
}
