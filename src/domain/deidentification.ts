/** How results are made for people who must not learn whose image it was. */
export interface Deidentification {
  /** Secret of one export: the same key gives the same pseudonyms and UIDs, and nobody without it can find the originals by trying. 16 bytes at least. */
  readonly key: Uint8Array
  /** The operator's word that no text is burned into the pixels, where the source does not say: without it no picture of them leaves. */
  readonly pixelsAreClean: boolean
}
