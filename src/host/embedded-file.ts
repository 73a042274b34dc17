/** What we use of the Bun global. */
interface BunRuntime {
  readonly embeddedFiles: readonly { readonly name: string; bytes(): Promise<Uint8Array> }[];
}

/**
 * A file that `npm run build` has put into this executable, made for the same architecture.
 * @returns undefined on Node, which the unit tests run on.
 */
export async function embeddedFile(
  name: 'mounter-front' | 'glusterfs-guard',
): Promise<Uint8Array | undefined> {
  const bun = (globalThis as { readonly Bun?: BunRuntime }).Bun;
  return bun?.embeddedFiles.find((file) => file.name === name)?.bytes();
}
