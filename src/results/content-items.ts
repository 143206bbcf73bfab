/** Concepts and values in, items of a report's content tree out (PS3.3 C.17.3). */
import { CODES, type Code, toCodeSequence } from '../dicom/coded-concepts.ts'
import type { NewDataset } from '../dicom/dataset.ts'

/** How an item relates to the one above it (PS3.3 table C.17.3-8). */
export type Relationship = 'CONTAINS' | 'HAS OBS CONTEXT' | 'HAS ACQ CONTEXT' | 'HAS CONCEPT MOD'

type ValueType = 'CONTAINER' | 'CODE' | 'TEXT' | 'UIDREF' | 'NUM' | 'IMAGE'

function contentItem(relationship: Relationship, valueType: ValueType, concept: Code | null, value: NewDataset, children: readonly NewDataset[] = []): NewDataset {
  return {
    RelationshipType: relationship,
    ValueType: valueType,
    ...(concept === null ? {} : { ConceptNameCodeSequence: toCodeSequence(concept) }),
    ...value,
    ...(children.length === 0 ? {} : { ContentSequence: children }),
  }
}

export const containerItem = (concept: Code, children: readonly NewDataset[]): NewDataset =>
  contentItem('CONTAINS', 'CONTAINER', concept, { ContinuityOfContent: 'SEPARATE' }, children)

export const codeItem = (relationship: Relationship, concept: Code, value: Code, children: readonly NewDataset[] = []): NewDataset =>
  contentItem(relationship, 'CODE', concept, { ConceptCodeSequence: toCodeSequence(value) }, children)

export const textItem = (relationship: Relationship, concept: Code, value: string): NewDataset => contentItem(relationship, 'TEXT', concept, { TextValue: value })

export const uidItem = (relationship: Relationship, concept: Code, uid: string): NewDataset => contentItem(relationship, 'UIDREF', concept, { UID: uid })

/** A number without a unit: as decimal text of ten digits, and once more in full. */
export const numberItem = (concept: Code, value: number, children: readonly NewDataset[]): NewDataset =>
  contentItem(
    'CONTAINS',
    'NUM',
    concept,
    { MeasuredValueSequence: [{ NumericValue: value, FloatingPointValue: value, MeasurementUnitsCodeSequence: toCodeSequence(CODES.noUnits) }] },
    children,
  )

/** reference  class, instance, and frame or segment where it is one of them */
export const imageItem = (concept: Code | null, reference: NewDataset, children: readonly NewDataset[] = []): NewDataset =>
  contentItem('CONTAINS', 'IMAGE', concept, { ReferencedSOPSequence: [reference] }, children)
