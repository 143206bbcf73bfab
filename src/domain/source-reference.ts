/** Whose image it was: the side road of patient and study identity from `imaging` to `results` and `pacs`. No model room ever holds it. */

/** One attribute of the source, copied byte for byte: text stays in the source's own character set. */
export interface SourceAttribute {
  /** Eight upper-case hexadecimal digits, group then element. */
  readonly tag: string
  /** Value representation as in PS3.6. */
  readonly vr: string
  /** Little endian, even length, padding included. */
  readonly bytes: Uint8Array
}

/**
 * What a result object must repeat or point at. Attributes keep their keyword in camelCase.
 *
 * UIDs are as the source wrote them, and may not conform to PS3.5 9.1: reading is tolerant, so a builder of results checks before it points at them.
 */
export interface SourceReference {
  readonly sopClassUid: string
  readonly sopInstanceUid: string
  /** null where the source names none, as some captures do: no result can be filed for it. */
  readonly studyInstanceUid: string | null
  readonly seriesInstanceUid: string | null
  readonly frameOfReferenceUid: string | null
  readonly transferSyntaxUid: string
  readonly modality: string | null
  readonly rows: number
  readonly columns: number
  /** The frame that was read, from 1. */
  readonly frame: number
  readonly numberOfFrames: number
  /** mm between row centers, then between column centers (PS3.3 10.7.1.3); of this frame. */
  readonly pixelSpacing: readonly [number, number] | null
  /** x, y, z of the center of the first pixel, mm, patient coordinates (PS3.3 C.7.6.2.1.1); of this frame. */
  readonly imagePositionPatient: readonly number[] | null
  /** Direction cosines of a row, then of a column; of this frame. */
  readonly imageOrientationPatient: readonly number[] | null
  /** mm; of this frame. */
  readonly sliceThickness: number | null
  /** Defined terms of PS3.3 C.12.1.1.2, first value may be empty; the text of `attributes` is in it. */
  readonly specificCharacterSet: readonly string[]
  readonly burnedInAnnotation: 'YES' | 'NO' | null
  readonly lossyImageCompression: '00' | '01' | null
  readonly lossyImageCompressionRatio: string | null
  readonly lossyImageCompressionMethod: string | null
  /** Patient, study and equipment-independent attributes in the order of their tags, empty ones included, absent ones left out. */
  readonly attributes: readonly SourceAttribute[]
  /** Set where identity was taken out by us: results then say by which profile. */
  readonly isDeidentified?: true
}
