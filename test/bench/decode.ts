/**
 * What decoding costs: every frame of a file of the corpus in each transfer syntax, beside dcmtk's own tool on the same file.
 *
 * The tool's time is its run less the time of a run that only prints its version, so that starting a process is nobody's cost. dcmtk decodes no
 * JPEG 2000 without a paid module, and no HTJ2K.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findTransferSyntax } from '../../src/dicom/transfer-syntaxes.ts'
import { openDicom } from '../../src/imaging/decode-dicom.ts'
import { corpusFile, hasCorpus } from '../support/corpus.ts'

const ROUNDS = 7

/** One file a syntax, the largest of the corpus, and the tool that dcmtk has for it. */
const FILES: readonly (readonly [file: string, ...tool: string[]])[] = [
  ['ct1_evle.dcm', 'dcmconv', '+te'],
  ['ct1_evbe.dcm', 'dcmconv', '+te'],
  ['ct_deflated.dcm', 'dcmconv', '+te'],
  ['ct1_rle.dcm', 'dcmdrle'],
  ['us_jpeg_ybr422_30f.dcm', 'dcmdjpeg'],
  ['cr_jpeg12_ext.dcm', 'dcmdjpeg'],
  ['jpll57_u12.dcm', 'dcmdjpeg'],
  ['mg_sigmoid_voilut_jpll.dcm', 'dcmdjpeg'],
  ['ct1_jls_fragments_bot.dcm', 'dcmdjpls'],
  ['ct1_jlsn.dcm', 'dcmdjpls'],
  ['cr_mono1_j2kr_u10.dcm'],
  ['cr_mono1_j2ki_u15.dcm'],
  ['derived/ct1_htj2k_lossless_s16.dcm'],
  ['rgb_htj2k_lossy.dcm'],
]

export async function bench(): Promise<string> {
  if (!hasCorpus) return 'The DICOM corpus does not lie beside the project.\n'
  const folder = mkdtempSync(join(tmpdir(), 'attending-bench-'))
  try {
    const rows: string[][] = []
    for (const [file, ...tool] of FILES) rows.push(await benchFile(file, tool, join(folder, 'decoded.dcm')))
    const head = ['transfer syntax', 'file', 'Mpixel', 'here, ms', 'dcmtk, ms', 'here / dcmtk']
    return `Medians of ${ROUNDS} interleaved rounds, one thread; the ratio is what to read.\n\n${[head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function benchFile(file: string, [command, ...options]: readonly string[], to: string): Promise<string[]> {
  const bytes = new Uint8Array(readFileSync(corpusFile(file)))
  const ours: number[] = []
  const theirs: number[] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const here = await timeDecode(bytes)
    const there = command === undefined ? Number.NaN : timeTool(command, [...options, corpusFile(file), to]) - timeTool(command, ['--version'])
    // the first round warms caches and compilers
    if (round > 0) {
      ours.push(here)
      theirs.push(there)
    }
  }
  const { file: opened, description } = openDicom(bytes)
  const megapixels = (description.rows * description.columns * description.numberOfFrames) / 1e6
  const [here, there] = [median(ours), Math.max(median(theirs), 0)]
  const cells = command === undefined ? ['-', '-'] : [there.toFixed(1), there > 0 ? (here / there).toFixed(2) : '-']
  return [findTransferSyntax(opened.transferSyntax.uid)?.name ?? '', file, megapixels.toFixed(2), here.toFixed(1), ...cells]
}

async function timeDecode(bytes: Uint8Array): Promise<number> {
  const start = performance.now()
  const { description, decodeFrame } = openDicom(bytes)
  for (let frame = 1; frame <= description.numberOfFrames; frame++) await decodeFrame(frame)
  return performance.now() - start
}

function timeTool(command: string, args: readonly string[]): number {
  const start = performance.now()
  const { status, error } = spawnSync(command, args, { env: { PATH: process.env['PATH'], DCMDICTPATH: process.env['DCMDICTPATH'] ?? '/usr/share/libdcmtk17/dicom.dic' } })
  if (error !== undefined || status !== 0) return Number.NaN
  return performance.now() - start
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN
