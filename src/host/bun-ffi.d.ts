/** The parts of bun:ffi in use; the module exists only in the compiled executable. */
declare module 'bun:ffi' {
  export interface FfiSymbol {
    readonly args: readonly string[];
    readonly returns: string;
  }
  export function dlopen<S extends Record<string, FfiSymbol>>(
    library: string,
    symbols: S,
  ): { readonly symbols: { readonly [K in keyof S]: (...args: readonly unknown[]) => number } };
  /** The address of its bytes; they must be kept while it is used. */
  export function ptr(view: Uint8Array): number;
  export const read: { i32(pointer: number, offset?: number): number };
}
