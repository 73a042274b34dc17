import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { execa } from 'execa';
import { cacheDirectory } from '../../../scripts/paths.ts';
import { tlsServerDirectory } from '../packages/tls-server.ts';
import { Machine, script } from './machine.ts';

/** NFS servers with TLS, and one without; and certificates, all made in the guest. */

const exported = 'rw,no_root_squash,no_subtree_check';
const tlsExports = {
  '/srv/any': exported,
  '/srv/tls': `${exported},xprtsec=tls:mtls`,
  '/srv/mtls': `${exported},xprtsec=mtls`,
  '/srv/none': `${exported},xprtsec=none`,
} as const;

export interface TlsServerRequest {
  readonly name: string;
  readonly address: string;
  /** NFS-Ganesha, which has none. */
  readonly isWithoutTls?: true;
}

/** Each exported directory has a file `file` with `TEXT-OF-NAME`, NAME being the directory's. */
export async function startTlsServer({ name, address, isWithoutTls }: TlsServerRequest): Promise<Machine> {
  const directory = join('/server/data', name);
  for (const path of Object.keys(tlsExports)) {
    const own = join(directory, path.slice('/srv/'.length));
    await mkdir(own, { recursive: true });
    await writeFile(join(own, 'file'), `TEXT-OF-${path.slice('/srv/'.length)}\n`);
  }
  await mkdir(join(directory, 'pki'), { recursive: true });
  if (isWithoutTls === undefined) {
    await copyFile(join(pki, 'ca.pem'), join(directory, 'pki/ca.pem'));
    await presentCertificate(directory, 'server');
  }
  const machine = new Machine({
    device: `nfs-${name}`,
    address,
    directory,
    services: readFileSync(script('tls-server.sh'), 'utf8'),
    environment: {
      TREES: tlsServerDirectory.slice('/host/'.length),
      OTHER: isWithoutTls === undefined ? '' : 'yes',
      EXPORTS: Object.entries(tlsExports)
        .map(([path, options]) => `${path} *(${options})\n`)
        .join(''),
    },
    beforeStart: async () => {
      await execa('modprobe', ['-a', 'nfsd', 'tls']);
    },
    ...(isWithoutTls === undefined ? { beforeStop: 'rpc.nfsd 0' } : {}),
  });
  await machine.start();
  return machine;
}

/** That of this name in `pki` is the server's from now on. @param directory of the machine. */
export async function presentCertificate(directory: string, name: string): Promise<void> {
  for (const kind of ['pem', 'key'])
    await copyFile(join(pki, `${name}.${kind}`), join(directory, `pki/server.${kind}`));
}

/** Where the tests' certificates are made, `NAME.pem` and `NAME.key`. */
export const pki = '/etc/test-pki';

const tree = join(cacheDirectory, 'tls-server/trixie');
const libraries = join(tree, 'usr/lib/x86_64-linux-gnu');

async function openssl(...argv: readonly string[]): Promise<void> {
  const loader = join(libraries, 'ld-linux-x86-64.so.2');
  await execa(loader, ['--library-path', libraries, join(tree, 'usr/bin/openssl'), ...argv], {
    cwd: pki,
    env: { OPENSSL_CONF: join(tree, 'etc/ssl/openssl.cnf') },
  });
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export async function makeAuthority(name: string): Promise<void> {
  await mkdir(pki, { recursive: true });
  const files = ['-keyout', `${name}.key`, '-out', `${name}.pem`];
  await openssl('req', '-x509', ...newKey, ...files, '-subj', `/CN=${name}`, '-days', '2');
}

const past = ['-not_before', '20200101000000Z', '-not_after', '20210101000000Z'];

/** @param names subjectAltName, such as `DNS:nfs.example,IP:10.9.0.1`. */
export async function makeCertificate(
  name: string,
  authority: string,
  names: string,
  isExpired = false,
): Promise<void> {
  await writeFile(join(pki, `${name}.ext`), `subjectAltName=${names}\n`);
  await openssl('req', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
  const signed = ['-in', `${name}.csr`, '-CA', `${authority}.pem`, '-CAkey', `${authority}.key`];
  const days = isExpired ? past : ['-days', '2'];
  await openssl('x509', '-req', ...signed, '-out', `${name}.pem`, '-extfile', `${name}.ext`, ...days);
}

/** All that goes by a network device while `action` runs, as bytes. */
export async function captured(device: string, action: () => Promise<void>): Promise<Buffer> {
  const loader = join(libraries, 'ld-linux-x86-64.so.2');
  const argv = ['--library-path', libraries, join(tree, 'usr/bin/tcpdump')];
  const file = '/tmp/capture.pcap';
  const tcpdump = execa(
    loader,
    [...argv, '-i', device, '--immediate-mode', '-U', '-s', '0', '-Z', 'root', '-w', file],
    {
      reject: false,
    },
  );
  await once(tcpdump.stderr, 'data');
  await action();
  // Its packets are still to be written.
  await setTimeout(3000);
  tcpdump.kill('SIGINT');
  await tcpdump;
  return readFile(file);
}
