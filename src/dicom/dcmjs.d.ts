/** What this project uses of dcmjs, which ships no types. */
declare module 'dcmjs' {
  interface DcmjsElement {
    readonly vr: string
    readonly Value: readonly unknown[]
  }
  type DcmjsDataset = Readonly<Record<string, DcmjsElement>>
  interface WriteStream {
    readonly size: number
    getBuffer(start?: number, end?: number): ArrayBuffer
  }
  export const data: {
    readonly WriteBufferStream: new (defaultSize: number, littleEndian: boolean) => WriteStream
    readonly DicomMessage: {
      write(dataset: DcmjsDataset, stream: WriteStream, transferSyntaxUid: string, options: { readonly allowInvalidVRLength: boolean }): number
    }
  }
  export const log: { setLevel(level: 'silent'): void; getLogger(name: string): { setLevel(level: 'silent'): void } }
}

declare module 'dcmjs/dictionary' {
  const dictionary: Readonly<Record<string, { readonly tag: string; readonly name: string; readonly vr: string | undefined; readonly version: string }>>
  export default dictionary
}
