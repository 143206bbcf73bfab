/** A data set in, the body part and view that it states as defined terms out; free text could hold anything and is left where it is. */
import { readItems, readString } from '../dicom/read-attributes.ts'
import type { Dataset } from '../dicom/read-part10.ts'
import type { StatedAnatomy } from '../domain/input-check.ts'

/** Defined terms of Body Part Examined that radiography uses. Source: PS3.16 Annex L, table L-1. */
const BODY_PARTS = new Set(
  `ABDOMEN ABDOMENPELVIS ANKLE ARM BREAST BRAIN CALCANEUS CHEST CHESTABDOMEN CHESTABDPELVIS CLAVICLE COCCYX CSPINE ELBOW EXTREMITY EYE FEMUR FINGER FOOT FOREARM
  HAND HEAD HEADNECK HEART HIP HUMERUS JAW KNEE LEG LIVER LSPINE LUNG MANDIBLE MAXILLA MEDIASTINUM NECK NOSE ORBIT PATELLA PELVIS RADIUS RIB SACRUM SCAPULA
  SHOULDER SKULL SPINE SSPINE STERNUM TEETH THIGH THUMB TIBIA TOE TLSPINE TSPINE ULNA WHOLEBODY WRIST ZYGOMA`.split(/\s+/),
)

/** Codes of the same parts in an Anatomic Region Sequence, SNOMED CT and the SNOMED-RT codes it replaced. Source: PS3.16 CID 4031 and table L-1. */
const CODED_PARTS: Readonly<Record<string, string>> = {
  '818981001': 'ABDOMEN',
  'T-D4000': 'ABDOMEN',
  '70258002': 'ANKLE',
  'T-15750': 'ANKLE',
  '76752008': 'BREAST',
  'T-04000': 'BREAST',
  '12738006': 'BRAIN',
  'T-A0100': 'BRAIN',
  '816094009': 'CHEST',
  '51185008': 'CHEST',
  'T-D3000': 'CHEST',
  '16953009': 'ELBOW',
  'T-15430': 'ELBOW',
  '71341001': 'FEMUR',
  'T-12710': 'FEMUR',
  '56459004': 'FOOT',
  'T-D9700': 'FOOT',
  '85562004': 'HAND',
  'T-D8700': 'HAND',
  '69536005': 'HEAD',
  'T-D1100': 'HEAD',
  '72696002': 'KNEE',
  'T-D9200': 'KNEE',
  '30021000': 'LEG',
  'T-D9400': 'LEG',
  '39607008': 'LUNG',
  'T-28000': 'LUNG',
  '12921003': 'PELVIS',
  'T-D6000': 'PELVIS',
  '113197003': 'RIB',
  'T-11300': 'RIB',
  '89546000': 'SKULL',
  'T-11100': 'SKULL',
}

/** Defined terms of View Position that name a projection. Source: PS3.3 C.8.7.2.1.1, C.8.11.5. */
const VIEWS = new Set('AP PA LL RL RLD LLD RLO LLO LATERAL OBLIQUE'.split(' '))

/** A coded region counts before the defined term: it says the same in one code. */
export function readAnatomy(dataset: Dataset): StatedAnatomy {
  const term = readString(dataset, 'BodyPartExamined')
  const view = readString(dataset, 'ViewPosition')
  return {
    bodyPart: readRegion(dataset) ?? (term !== null && BODY_PARTS.has(term) ? term : null),
    view: view !== null && VIEWS.has(view) ? view : null,
  }
}

function readRegion(dataset: Dataset): string | null {
  const [region] = readItems(dataset, 'AnatomicRegionSequence')
  const value = region === undefined ? null : readString(region, 'CodeValue')
  return value === null || !Object.hasOwn(CODED_PARTS, value) ? null : (CODED_PARTS[value] ?? null)
}
