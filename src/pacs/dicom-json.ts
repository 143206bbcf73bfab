/** A DICOM JSON document of a peer in, the few values that are asked of it out (PS3.18 annex F). Everything in it is untrusted. */

export type DicomJson = Readonly<Record<string, unknown>>

/** The datasets of a document: an array of them, one alone, or none where it is no such document. */
export function parseDicomJson(bytes: Uint8Array): readonly DicomJson[] {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
    return (Array.isArray(parsed) ? parsed : [parsed]).filter(isRecord)
  } catch {
    return []
  }
}

/** Values of an attribute; empty where it is absent or not as the standard has it. */
export function valuesOf(dataset: DicomJson, tag: string): readonly unknown[] {
  const element = dataset[tag]
  const values = isRecord(element) ? element['Value'] : undefined
  return Array.isArray(values) ? values : []
}

export function stringOf(dataset: DicomJson, tag: string): string | null {
  const [value] = valuesOf(dataset, tag)
  return typeof value === 'string' ? value : null
}

export function numberOf(dataset: DicomJson, tag: string): number | null {
  const [value] = valuesOf(dataset, tag)
  return typeof value === 'number' ? value : null
}

export function itemsOf(dataset: DicomJson, tag: string): readonly DicomJson[] {
  return valuesOf(dataset, tag).filter(isRecord)
}

function isRecord(value: unknown): value is DicomJson {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
