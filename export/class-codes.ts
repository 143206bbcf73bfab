/** Coded concepts of class names, by data-set id: only codes that say exactly what the class says. Source: SNOMED CT, coding scheme designator SCT (PS3.16 8). */
import type { Manifest } from '../src/domain/manifest.ts'

type Code = NonNullable<Manifest['classes'][number]['code']>

const sct = (value: string, meaning: string): Code => ({ value, scheme: 'SCT', meaning })

const MALIGNANT_BREAST = sct('254837009', 'Malignant neoplasm of breast')

/** Where a class mixes concepts ("normal or benign") or is a grade of one study, there is no code. */
const CODES: Readonly<Record<string, Readonly<Record<string, Code>>>> = {
  pneumoniamnist: { normal: sct('17621005', 'Normal'), pneumonia: sct('233604007', 'Pneumonia') },
  breastmnist: { malignant: MALIGNANT_BREAST },
  busi128: { malignant: MALIGNANT_BREAST },
  braintumor128: {
    meningioma: sct('302820008', 'Intracranial meningioma'),
    glioma: sct('393564001', 'Glioma'),
    'pituitary tumor': sct('127024001', 'Neoplasm of pituitary gland'),
  },
}

/** The classes of a data set with their codes, sizes of the same set (`pneumoniamnist-64`) included. */
export function classesOf(dataSetId: string, names: readonly string[]): Manifest['classes'] {
  const codes = CODES[dataSetId] ?? CODES[dataSetId.replace(/-\d+$/, '')] ?? {}
  return names.map((name) => ({ name, code: codes[name] ?? null }))
}
