/** A picture or DICOM object of this program in, which model, input and settings made it out. */

import { readItems, readString, readStrings } from '../dicom/read-attributes.ts'
import { type Dataset, isPart10, readPart10 } from '../dicom/read-part10.ts'
import { Problem } from '../domain/problem.ts'
import { isPng, readPngTexts } from './read-png-texts.ts'

/** Facts by name, in the order in which they are printed. None is a patient attribute. */
export interface ArtifactFacts {
  readonly format: 'png' | 'dicom'
  readonly facts: Readonly<Record<string, string>>
}

const PNG_PREFIX = 'attending:'
const PNG_PLAIN = ['Title', 'Creation Time', 'Disclaimer'] as const
/** Sentences that our objects state about their making. */
const MAKING = /SHA-256|^seed \d|^runtime |^structure /

/**
 * What a file says of its own making.
 *
 * Throws: "media-type-unsupported" for anything but PNG and DICOM; "image-undecodable" or a DICOM code for damage; "result-invalid" for a file that this program did not make.
 */
export function readArtifact(bytes: Uint8Array): ArtifactFacts {
  if (isPng(bytes)) return { format: 'png', facts: pngFacts(bytes) }
  if (isPart10(bytes)) return { format: 'dicom', facts: dicomFacts(bytes) }
  throw new Problem('media-type-unsupported', 'only PNG and DICOM files say how they were made', { accepted: ['image/png', 'application/dicom'] })
}

function pngFacts(bytes: Uint8Array): Record<string, string> {
  const texts = readPngTexts(bytes)
  if (!texts.has(`${PNG_PREFIX}model`)) throw notOurs()
  const plain = PNG_PLAIN.flatMap((keyword) => (texts.has(keyword) ? [[keyword.toLowerCase(), texts.get(keyword) ?? '']] : []))
  const own = [...texts].filter(([keyword]) => keyword.startsWith(PNG_PREFIX)).map(([keyword, text]) => [keyword.slice(PNG_PREFIX.length), text])
  return Object.fromEntries([...own, ...plain])
}

function dicomFacts(bytes: Uint8Array): Record<string, string> {
  const { dataset } = readPart10(bytes)
  const contributions = readItems(dataset, 'ContributingEquipmentSequence').map((item) => readString(item, 'ContributionDescription') ?? '')
  const making = contributions.find((sentence) => sentence.startsWith('Model ') && MAKING.test(sentence))
  if (making === undefined) throw notOurs()
  const [, model = '', version = '', graph = '', runtime = ''] = /^Model (\S+) (\S+), graph SHA-256 ([0-9a-f]{64}), runtime (.+?)\. /.exec(`${making} `) ?? []
  const named: Record<string, string> = {
    'sop-class': readString(dataset, 'SOPClassUID') ?? '',
    model,
    version,
    'graph-sha256': graph,
    runtime,
    software: readStrings(dataset, 'SoftwareVersions').join(', '),
  }
  reportedTexts(dataset).forEach((text, index) => {
    named[`stated-${index + 1}`] = text
  })
  return named
}

/** Text items of a report that tell how it was made, wherever they stand in its tree. */
function reportedTexts(dataset: Dataset): readonly string[] {
  return readItems(dataset, 'ContentSequence').flatMap((item) => {
    const text = readString(item, 'TextValue')
    return [...(text !== null && MAKING.test(text) ? [text] : []), ...reportedTexts(item)]
  })
}

function notOurs(): Problem {
  return new Problem('result-invalid', 'the file does not say that this program made it', {})
}
