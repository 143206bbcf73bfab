/** Bytes of a file in, the SOP Instance UID it carries out, and nothing else of whose it is. */
import { readUid } from '../dicom/read-attributes.ts'
import { isPart10, readPart10 } from '../dicom/read-part10.ts'

/**
 * The SOP Instance UID (0008,0018); null where the bytes are no DICOM file or it has none.
 *
 * Throws: "uid-invalid" and the codes of reading a Part 10 file.
 */
export function readInstanceUid(bytes: Uint8Array): string | null {
  return isPart10(bytes) ? readUid(readPart10(bytes).dataset, 'SOPInstanceUID') : null
}
