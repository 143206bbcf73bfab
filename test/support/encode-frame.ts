/** Stored values of one frame in, its codestream in any compressed transfer syntax out: dcmjs-codecs' encoders, for tests that need files of their own. */
import dcmjsCodecs from 'dcmjs-codecs'
import { findTransferSyntax } from '../../src/dicom/transfer-syntaxes.ts'

const { Context, NativeCodecs } = dcmjsCodecs

export interface FrameToEncode {
  readonly rows: number
  readonly columns: number
  readonly samplesPerPixel: 1 | 3
  readonly bitsAllocated: 8 | 16
  readonly bitsStored: number
  readonly isSigned: boolean
  /** Little endian, interleaved. */
  readonly bytes: Uint8Array
}

/** The frame in that syntax; lossless unless the syntax cannot be. */
export async function encodeFrame(frame: FrameToEncode, transferSyntaxUid: string): Promise<Uint8Array> {
  if (!NativeCodecs.isInitialized()) await NativeCodecs.initializeAsync({})
  const context = new Context({
    width: frame.columns,
    height: frame.rows,
    bitsAllocated: frame.bitsAllocated,
    bitsStored: frame.bitsStored,
    samplesPerPixel: frame.samplesPerPixel,
    pixelRepresentation: frame.isSigned ? 1 : 0,
    planarConfiguration: 0,
    photometricInterpretation: frame.samplesPerPixel === 1 ? 'MONOCHROME2' : 'RGB',
    decodedBuffer: frame.bytes,
  })
  const encoded = encodeWith(context, transferSyntaxUid).getEncodedBuffer()
  if (encoded === undefined || encoded.length === 0) throw new Error(`nothing was encoded for ${transferSyntaxUid}`)
  return encoded
}

type CodecContext = InstanceType<typeof Context>

function encodeWith(context: CodecContext, uid: string): CodecContext {
  const syntax = findTransferSyntax(uid)
  const lossy = syntax?.lossless === false
  switch (syntax?.codec) {
    case 'rle':
      return NativeCodecs.encodeRle(context)
    case 'jpeg':
      return NativeCodecs.encodeJpeg(context, { lossy, quality: 90, predictor: uid.endsWith('.57') ? 4 : 1 })
    case 'jpeg-ls':
      return NativeCodecs.encodeJpegLs(context, { lossy, allowedLossyError: 2 })
    case 'jpeg-2000':
      return NativeCodecs.encodeJpeg2000(context, { lossy, progressionOrder: 0, rate: 5 })
    case 'htj2k':
      return NativeCodecs.encodeHtJpeg2000(context, { lossy, progressionOrder: uid.endsWith('.202') ? 2 : 0 })
    default:
      throw new Error(`${uid} is no compressed transfer syntax`)
  }
}
