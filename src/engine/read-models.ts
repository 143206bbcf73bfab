/** The folder of released bundles in, their manifests and cards out; graphs are opened by the engines alone. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseManifest } from '../domain/manifest.ts'
import { Problem } from '../domain/problem.ts'
import type { PublishedModel } from '../domain/published-model.ts'

/**
 * Every bundle of the folder, ordered by id. A folder without a manifest is no bundle.
 *
 * Throws: "bundle-refused" where there is none, or where a folder's name is not its bundle's id; "manifest-invalid".
 */
export async function readModels(modelsFolder: string): Promise<readonly PublishedModel[]> {
  const folders = (await readdir(modelsFolder, { withFileTypes: true }).catch(noFolder)).filter((entry) => entry.isDirectory())
  const models: PublishedModel[] = []
  for (const { name } of folders.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const model = await readModel(join(modelsFolder, name))
    if (model === null) continue
    if (model.manifest.id !== name) throw new Problem('bundle-refused', 'a bundle lies in a folder of another name than its id', { reason: 'id' })
    models.push(model)
  }
  if (models.length === 0) throw new Problem('bundle-refused', 'the models folder holds no bundle', { reason: 'none' })
  return models
}

async function readModel(folder: string): Promise<PublishedModel | null> {
  const text = await readText(join(folder, 'manifest.json'))
  if (text === null) return null
  return { manifest: parseManifest(parseJson(text)), card: await readText(join(folder, 'README.md')) }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Problem('manifest-invalid', 'a manifest is no JSON', {}, error)
  }
}

async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

function noFolder(error: unknown): never {
  throw new Problem('bundle-refused', 'there is no models folder', { reason: 'none' }, error)
}
