/** Results of real files of every modality, held against dciodvfy and pydicom. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { DicomResults } from '../../src/domain/dicom-result.ts'
import { decodeImage } from '../../src/imaging/decode-image.ts'
import { buildResults } from '../../src/results/build-results.ts'
import { corpusFile, hasCorpus } from '../support/corpus.ts'
import { dciodvfyErrors, hasDciodvfy, hasPydicom, pydicomReadsEach } from '../support/dicom-tools.ts'
import { environment, panel, predictionFor } from '../support/result-fixtures.ts'

async function resultsOf(file: string): Promise<DicomResults> {
  const { image, source } = await decodeImage(new Uint8Array(readFileSync(corpusFile(file))), { frame: 1 })
  return buildResults(predictionFor(image), source!, panel, environment)
}

const kindsOf = ({ objects }: DicomResults): string[] => [...new Set(objects.map(({ kind }) => kind))]

describe.skipIf(!hasCorpus)('results of the corpus (needs the corpus)', () => {
  it.skipIf(!hasDciodvfy).each([
    // In the patient: all kinds.
    ['mr_small_evle.dcm', 'sc seg pm sr ko'],
    ['mr_small_evbe.dcm', 'sc seg pm sr ko'],
    ['mr4_jlsn_neg_intercept.dcm', 'sc seg pm sr ko'],
    ['ct_small_evle.dcm', 'sc seg pm sr ko'],
    ['ct1_j2ki.dcm', 'sc seg pm sr ko'],
    ['ct0012_jpeg12_frag_nobot_2f.dcm', 'sc seg pm sr ko'],
    ['pt_tiny_rescale_jpll.dcm', 'sc seg pm sr ko'],
    // A plane without a thickness.
    ['ct_all_un_vr_j2k.dcm', 'sc seg pm sr ko'],
    // Projections and captures: no Parametric Map.
    ['cr_jpeg12_ext.dcm', 'sc seg sr ko'],
    ['cr_mono1_j2kr_u10.dcm', 'sc seg sr ko'],
    ['dx_mono1_vet.dcm', 'sc seg sr ko'],
    ['mg_overlay_out_of_bounds.dcm', 'sc seg sr ko'],
    ['us_jpeg_ybr422_30f.dcm', 'sc seg sr ko'],
    ['us_jpeg_frag_nobot_8f.dcm', 'sc seg sr ko'],
    ['us_jpll70_u8.dcm', 'sc seg sr ko'],
    ['xa_jpll_u10.dcm', 'sc seg sr ko'],
    ['nm_j2ki.dcm', 'sc seg sr ko'],
    ['xc_jpeg_icon_sequence.dcm', 'sc seg sr ko'],
    ['rgb16_rle_2frame.dcm', 'sc seg sr ko'],
    // Identity removed, without a word on how.
    ['ct_j2ki_precision_mismatch.dcm', 'sc seg sr ko'],
    ['charset_h31_kanji.dcm', 'sc seg sr ko'],
    ['charset_x1_utf8.dcm', 'sc seg sr ko'],
  ])('of %s are %s, without an error by dciodvfy (needs dciodvfy)', async (file, kinds) => {
    const results = await resultsOf(file)
    expect(kindsOf(results).join(' ')).toBe(kinds)
    for (const { bytes } of results.objects) expect(dciodvfyErrors(bytes)).toEqual([])
  })

  it.skipIf(!hasPydicom).each(['charset_h31_kanji.dcm', 'charset_x1_utf8.dcm', 'ct_small_evle.dcm', 'us_jpeg_frag_nobot_8f.dcm'])(
    'of %s are read by pydicom as of the same patient and study (needs pydicom)',
    async (file) => {
      const { objects } = await resultsOf(file)
      const identity =
        '[str(ds.get(k) or "") for k in ["PatientID", "PatientSex", "StudyInstanceUID", "StudyDate", "AccessionNumber", "PatientName"]] + [ds.PatientName.original_string.hex()]'
      ;('[str(ds.get(k)) for k in ["PatientName", "PatientID", "PatientSex", "StudyInstanceUID", "StudyDate", "AccessionNumber"]] + [ds["PatientName"].original_string.hex()]')
      const [source, ...results] = pydicomReadsEach([new Uint8Array(readFileSync(corpusFile(file))), ...objects.map(({ bytes }) => bytes)], identity)
      expect(results).toHaveLength(objects.length)
      for (const result of results) expect(result).toEqual(source)
    },
  )

  it.skipIf(!hasDciodvfy)("repeat a malformed date as it is: an archive files by the source's own bytes (needs dciodvfy)", async () => {
    const results = await resultsOf('us_rgb_planar_evbe.dcm')
    const errors = results.objects.flatMap(({ bytes }) => dciodvfyErrors(bytes))
    expect(errors.length).toBeGreaterThan(0)
    for (const error of errors) expect(error).toMatch(/\(0x0008,0x00[23]0\)|contains invalid data values/)
  })

  it('can not be filed for a file without a study', async () => {
    await expect(resultsOf('jls_s15.dcm')).rejects.toMatchObject({ code: 'uid-invalid', facts: { keyword: 'StudyInstanceUID' } })
  })
})
