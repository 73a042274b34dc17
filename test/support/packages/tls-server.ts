import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { fetchPackages, unpackInto } from '../../../scripts/debian.ts';
import { cacheDirectory } from '../../../scripts/paths.ts';
import { unneededFiles } from '../vm/roots.ts';

/**
 * Debian 13's NFS server, which exports by transport security, its tlshd, openssl and tcpdump: Debian 12, of
 * which the test VM's servers are, has none of the three. And NFS-Ganesha of Debian 12, a server without TLS.
 */
export const tlsServerDirectory = `${cacheDirectory}/tls-server`;

const suites = {
  trixie: ['nfs-kernel-server', 'ktls-utils', 'openssl', 'tcpdump'],
  bookworm: ['nfs-ganesha', 'nfs-ganesha-vfs'],
} as const;

/** What their maintainers' scripts take, or another program of theirs. */
const unneeded =
  /^(perl|libperl|python3|libpython3|lib.*-perl|dpkg|debconf|adduser|usrmerge|passwd|tar|ucf|dbus)/;

export async function ensureTlsServer(): Promise<void> {
  if (existsSync(tlsServerDirectory)) return;
  const unfinished = `${tlsServerDirectory}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  try {
    for (const [suite, names] of Object.entries(suites)) {
      const debs = await fetchPackages({
        names,
        directory: `${cacheDirectory}/tls-server-debs-${suite}`,
        suite,
      });
      const needed = debs.filter(({ name }) => !unneeded.test(name));
      await unpackInto(needed, `${unfinished}/${suite}`, unneededFiles);
    }
    await rename(unfinished, tlsServerDirectory);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
