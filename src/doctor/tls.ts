import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { offeredTraits } from '../mount/filesystems/all.ts';
import { hostRoot, isThere, tlsFiles } from '../services/tlshd.ts';
import type { DoctorContext } from './context.ts';
import { type Advice, ok, warning } from './finding.ts';
import { judgeKernel, readKernelFiles } from './kernel.ts';
import { isAskedFor, judgePrivate } from './security.ts';

/** What mounts with xprtsec=tls and mtls take. It is no matter of the verdict: most nodes have no such mount. */
export function checkTls(context: DoctorContext): readonly Advice[] {
  const { host, manifest } = context;
  if (!offeredTraits(manifest).some(({ hasLockServices }) => hasLockServices)) return [];
  const isConcerned =
    isAskedFor(context, 'tls') || Object.values(manifest.security.tls).some((path) => path !== undefined);
  return [
    ...judgeKernelTls(context, isConcerned),
    ...Object.entries(isConcerned ? tlsFiles(manifest, host) : {}).flatMap(([name, path]) =>
      path === undefined ? [] : [judgeFile(name, path, context)],
    ),
  ];
}

/** The kernel's part of a handshake is built in, or missing: no module brings it. */
function judgeKernelTls({ host }: DoctorContext, isConcerned: boolean): readonly Advice[] {
  const tls =
    host.readText('/proc/net/tls_stat') === undefined
      ? judgeKernel({ kernelFilesystem: 'tls' }, readKernelFiles(host))
      : undefined;
  const symbols = host.readText('/proc/kallsyms') ?? '';
  const hasHandshake = symbols === '' || / handshake_req_submit$/m.test(symbols);
  const lack = !hasHandshake
    ? 'the kernel asks nobody for handshakes (CONFIG_NET_HANDSHAKE, Linux 6.5)'
    : tls?.level === 'lacking'
      ? tls.message
      : undefined;
  if (lack === undefined) return [ok('kernel', 'has TLS for mounts with xprtsec=tls and mtls')];
  return [
    isConcerned
      ? warning(
          'kernel',
          `mounts with xprtsec=tls and mtls would fail: ${lack}`,
          'boot a kernel with CONFIG_NET_HANDSHAKE and CONFIG_TLS, Linux 6.5 or newer',
        )
      : ok('kernel', `has no TLS for mounts, and none asks for it (xprtsec=): ${lack}`),
  ];
}

const soonMs = 14 * 24 * 3600 * 1000;

function judgeFile(name: string, path: string, { host }: DoctorContext): Advice {
  const setting = `security.tls.${name}`;
  if (!isThere(path, host))
    return warning(
      path,
      `is not there, and ${setting} names it`,
      `put it there, or change ${setting} in node-settings.json`,
    );
  if (name === 'privateKey') return judgePrivate(path, setting, `${hostRoot}${path}`);
  try {
    const { validToDate, subject } = new X509Certificate(readFileSync(`${hostRoot}${path}`));
    if (name === 'trustStore' || validToDate.getTime() > Date.now() + soonMs)
      return ok(path, `has a certificate (${setting})`);
    const until = validToDate.toISOString().slice(0, 10);
    return warning(
      path,
      `is valid until ${until} (${subject.replaceAll('\n', ', ')}); after that no server takes it`,
      'renew it: the next handshake takes the new one',
    );
  } catch (error) {
    return warning(
      path,
      `has no certificate in PEM (${(error as Error).message})`,
      `change ${setting} in node-settings.json`,
    );
  }
}
