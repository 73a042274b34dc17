import { unpackedPackage } from '../../../scripts/debian.ts';

/** Debian's cosign: 2.x of trixie and 3.x of forky, which store signatures each in its own way. Debian 12 has none. */
export async function ensureCosign(): Promise<{ readonly old: string; readonly current: string }> {
  const program = async (suite: string) => `${await unpackedPackage('cosign', suite)}/usr/bin/cosign`;
  return { old: await program('trixie'), current: await program('forky') };
}
