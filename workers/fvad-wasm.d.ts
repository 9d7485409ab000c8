/** The package brings no types. What is used of it; addresses are plain numbers, and the heap view changes when memory grows. */
declare module "@echogarden/fvad-wasm" {
  export interface FvadModule {
    readonly HEAP16: Int16Array;
    _malloc(bytes: number): number;
    _fvad_new(): number;
    _fvad_free(instance: number): void;
    _fvad_reset(instance: number): void;
    _fvad_set_mode(instance: number, mode: number): number;
    _fvad_set_sample_rate(instance: number, rate: number): number;
    _fvad_process(instance: number, samples: number, length: number): number;
  }
  const load: () => Promise<FvadModule>;

  // biome-ignore lint/style/noDefaultExport: it is what the package exports.
  export { load as default };
}
