/** The part of the WebAssembly JavaScript interface that kernels need; the full one comes only with the browser's whole library. */
declare namespace WebAssembly {
  class Memory {
    readonly buffer: ArrayBuffer
    /** Sizes in pages of 65,536 bytes. */
    constructor(limits: { readonly initial: number })
    grow(pages: number): number
  }
  class Module {
    constructor(bytes: Uint8Array)
  }
  class Instance {
    readonly exports: Readonly<Record<string, unknown>>
    constructor(module: Module, imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>)
  }
  function validate(bytes: Uint8Array): boolean
  function compile(bytes: Uint8Array): Promise<Module>
  function instantiate(module: Module, imports: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Promise<Instance>
}
