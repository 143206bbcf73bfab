/** What leaves for an archive: DICOM objects made from one prediction, and what they are made with. */

/** SR the data, SC the picture that every viewer shows, SEG the communities, PM a map's true values, KO the pointer that a worklist shows. */
export type ResultKind = 'sr' | 'sc' | 'seg' | 'pm' | 'ko'

/** One object as a Part 10 file. */
export interface DicomResult {
  readonly kind: ResultKind
  /** The map that it holds; null where it holds no single one. */
  readonly map: string | null
  readonly studyInstanceUid: string
  readonly seriesInstanceUid: string
  readonly sopClassUid: string
  readonly sopInstanceUid: string
  readonly bytes: Uint8Array
}

/** An object that can't be made for this image, and why. */
export interface OmittedResult {
  readonly kind: ResultKind
  readonly map: string | null
  readonly reason: string
}

export interface DicomResults {
  readonly objects: readonly DicomResult[]
  readonly omitted: readonly OmittedResult[]
}

/** A picture's RGB bytes. */
export interface RgbImage {
  readonly rows: number
  readonly columns: number
  /** [rows, columns, 3] */
  readonly pixels: Uint8Array
}

/** Facts of the installation that go into the objects. */
export interface ResultEnvironment {
  /** ISO 8601, UTC; the stored record's, so that equal requests give equal bytes. */
  readonly createdAt: string
  /** Minutes east of UTC in which dates and times are written where the source states none of its own. */
  readonly utcOffsetMinutes: number
  /** Names this installation among others; 64 characters at most. */
  readonly deviceSerialNumber: string
}
