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

/** Names in use that are no defined terms, without what is between their words. None says more than the part. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  THORAX: 'CHEST',
  TORAX: 'CHEST',
  CXR: 'CHEST',
  PORTCHEST: 'CHEST',
  PORTABLECHEST: 'CHEST',
  PEDIATRICCHEST: 'CHEST',
  CHESTLUNG: 'CHEST',
  CHESTABD: 'CHESTABDOMEN',
  LUNGS: 'LUNG',
  RIBS: 'RIB',
  MAMMA: 'BREAST',
  BREASTS: 'BREAST',
  HEADANDNECK: 'HEADNECK',
  ORBITS: 'ORBIT',
  CERVICALSPINE: 'CSPINE',
  THORACICSPINE: 'TSPINE',
  LUMBARSPINE: 'LSPINE',
}

/**
 * Codes of these parts in an Anatomic Region Sequence: SNOMED CT, what the table had before (a chest was 51185008, then 43799004, now 816094009), and the SNOMED-RT codes that it replaced.
 *
 * Source: PS3.16 CID 4031 and table L-1.
 */
const CODES_OF_PARTS: Readonly<Record<string, string>> = {
  ABDOMEN: '818981001 113345001 T-D4000',
  ABDOMENPELVIS: '818982008 416949008',
  ANKLE: '70258002 T-15750',
  ARM: '40983000 T-D8200',
  BREAST: '76752008 T-04000',
  BRAIN: '12738006 T-A0100',
  CALCANEUS: '80144004 T-12770',
  CHEST: '816094009 51185008 43799004 T-D3000',
  CHESTABDOMEN: '416550000 R-FAB55',
  CHESTABDPELVIS: '416775004 R-FAB56',
  CLAVICLE: '51299004 T-12310',
  COCCYX: '64688005 T-11BF0',
  CSPINE: '122494005 T-11501',
  ELBOW: '16953009 T-15430',
  EXTREMITY: '66019005 T-D0300',
  EYE: '81745001 T-AA000',
  FEMUR: '71341001 T-12710',
  FINGER: '7569003 T-D8800',
  FOOT: '56459004 T-D9700',
  FOREARM: '14975008 T-D8500',
  HAND: '85562004 T-D8700',
  HEAD: '69536005 T-D1100',
  HEADNECK: '774007 T-D1000',
  HEART: '80891009 T-32000',
  HIP: '29836001 24136001 T-D2500 T-15710',
  HUMERUS: '85050009 T-12410',
  JAW: '661005 T-D1213',
  KNEE: '72696002 T-D9200',
  LEG: '30021000 T-D9400',
  LSPINE: '122496007 T-11503',
  LUNG: '39607008 T-28000',
  MANDIBLE: '91609006 T-11180',
  MAXILLA: '70925003 T-11170',
  MEDIASTINUM: '72410000 T-D3300',
  NECK: '45048000 T-D1600',
  ORBIT: '363654007 T-D14AE',
  PATELLA: '64234005 T-12730',
  PELVIS: '816092008 12921003 T-D6000',
  RIB: '113197003 T-11300',
  SACRUM: '54735007 T-11AD0',
  SCAPULA: '79601000 T-12280',
  SHOULDER: '16982005 T-D2220',
  SKULL: '89546000 T-11100',
  SPINE: '421060004 T-D04FF',
  STERNUM: '56873002 T-11210',
  THIGH: '68367000 T-D9100',
  THUMB: '76505004 T-D8810',
  TOE: '29707007 T-D9800',
  TSPINE: '122495006 T-11502',
  WHOLEBODY: '38266002 T-D0010',
  WRIST: '74670003 T-15460',
  ZYGOMA: '13881006 T-11166',
}
const CODED_PARTS: ReadonlyMap<string, string> = new Map(Object.entries(CODES_OF_PARTS).flatMap(([part, codes]) => codes.split(' ').map((code) => [code, part])))

/** Defined terms of View Position that name a projection. Source: PS3.3 C.8.7.2.1.1, C.8.11.5. */
const VIEWS = new Set('AP PA LL RL RLD LLD RLO LLO LATERAL OBLIQUE'.split(' '))

/** A coded region counts before the defined term: it says the same in one code. */
export function readAnatomy(dataset: Dataset): StatedAnatomy {
  const term = readString(dataset, 'BodyPartExamined')
  const view = readString(dataset, 'ViewPosition')
  return {
    bodyPart: readRegion(dataset) ?? (term === null ? null : toDefinedTerm(term)),
    view: view !== null && VIEWS.has(view) ? view : null,
  }
}

/** The defined term of a name that is known as a whole, in whatever case and however its words are parted; null for every other text. */
function toDefinedTerm(name: string): string | null {
  const joined = name.toUpperCase().replaceAll(/[ _-]+/g, '')
  if (BODY_PARTS.has(joined)) return joined
  return Object.hasOwn(OTHER_NAMES, joined) ? (OTHER_NAMES[joined] ?? null) : null
}

function readRegion(dataset: Dataset): string | null {
  const [region] = readItems(dataset, 'AnatomicRegionSequence')
  const value = region === undefined ? null : readString(region, 'CodeValue')
  return value === null ? null : (CODED_PARTS.get(value) ?? null)
}
