import './guest.ts';
import { readFileSync } from 'node:fs';
import { appendFile, chmod, copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { Machine, script } from './machine.ts';
import { makeFiles } from './server.ts';

/** A realm with a KDC of its own, and an NFS server that takes its tickets. */

export const realm = 'EXAMPLE.TEST';
const directory = '/server/data/kdc';
export const keytab = '/etc/krb5.keytab';
/** Where rpc.gssd looks for tickets of users. */
export const caches = '/run/containerized-mounter-krb5';
export const hosts = { kdc: 'kdc.example.test', files: 'files.example.test', node: 'node.example.test' };

/** Of the KDC, the NFS server and the node, but for what a test changes. */
export function krb5Conf(kdc: string, lines: readonly string[] = []): string {
  return [
    '[libdefaults]',
    ` default_realm = ${realm}`,
    ' dns_lookup_kdc = false',
    ' dns_lookup_realm = false',
    ' rdns = false',
    ...lines.map((line) => ` ${line}`),
    '[realms]',
    ` ${realm} = {`,
    `  kdc = ${kdc}`,
    ' }',
    '[domain_realm]',
    ` .example.test = ${realm}`,
    '',
  ].join('\n');
}

const kdcConf = `[kdcdefaults]
 kdc_ports = 88
 kdc_tcp_ports = 88
[realms]
 ${realm} = {
  database_name = /srv/principal
  key_stash_file = /srv/stash
  max_life = 10h
 }
`;

/** Of the server and the node. */
export const idmapdConf = '[General]\nDomain = example.test\n[Mapping]\nNobody-Group = nogroup\n';

export function kdcMachine(address: string): Machine {
  return new Machine({
    device: 'kdc',
    address,
    directory,
    environment: { KRB5_KDC_PROFILE: '/srv/kdc.conf', KRB5_CONFIG: '/srv/krb5.conf' },
    services: `[ -e /srv/principal ] || kdb5_util create -s -r ${realm} -P master >/dev/null
krb5kdc`,
    beforeStart: async () => {
      await rm(directory, { recursive: true, force: true });
      await mkdir(directory, { recursive: true });
      await writeFile(`${directory}/kdc.conf`, kdcConf);
      await writeFile(`${directory}/krb5.conf`, krb5Conf('127.0.0.1'));
    },
  });
}

/** Makes principals whose keys are written to a file of the node's. */
export async function keytabOf(kdc: Machine, file: string, ...principals: readonly string[]): Promise<void> {
  await kdc.run('rm', '-f', '/srv/new.keytab');
  for (const principal of principals) {
    await kdc.run('kadmin.local', '-r', realm, '-q', `addprinc -randkey ${principal}`);
    await kdc.run('kadmin.local', '-r', realm, '-q', `ktadd -k /srv/new.keytab ${principal}`);
  }
  await copyFile(`${directory}/new.keytab`, file);
  await execa('chmod', ['600', file]);
}

export function kerberosServer(address: string, kdcAddress: string): Machine {
  const data = '/server/data/kfiles';
  const exports = ['krb5', 'krb5i', 'krb5p']
    .map((flavor) => `/srv/${flavor} *(rw,no_subtree_check,no_root_squash,sec=${flavor})\n`)
    .join('');
  return new Machine({
    device: 'kfiles',
    address,
    directory: data,
    environment: { VERSIONS: '3,4', EXPORTS: `${exports}/srv/vol1 *(rw,no_subtree_check,no_root_squash)\n` },
    services: `modprobe rpcsec_gss_krb5 2>/dev/null
mount --bind /srv/krb5.conf /etc/krb5.conf; mount --bind /srv/krb5.keytab /etc/krb5.keytab
mount --bind /srv/hosts /etc/hosts; mount --bind /srv/passwd /etc/passwd
mount --bind /srv/idmapd.conf /etc/idmapd.conf
hostname ${hosts.files} 2>/dev/null
${readFileSync(script('nfs-server.sh'), 'utf8')}
rpc.idmapd
rpc.svcgssd -n`,
    beforeStart: async () => {
      await makeFiles(data);
      for (const name of ['krb5', 'krb5i', 'krb5p']) {
        await mkdir(`${data}/${name}`, { recursive: true });
        // The node's principal is nobody there, as its users are but for their own names.
        await chmod(`${data}/${name}`, 0o777);
      }
      await writeFile(`${data}/krb5.conf`, krb5Conf(kdcAddress));
      await writeFile(
        `${data}/hosts`,
        `127.0.0.1 localhost\n${address} ${hosts.files}\n${kdcAddress} ${hosts.kdc}\n`,
      );
      await writeFile(`${data}/passwd`, `${await readFile('/server/etc/passwd', 'utf8')}${user}`);
      await writeFile(`${data}/idmapd.conf`, idmapdConf);
      for (const name of ['krb5.conf', 'krb5.keytab', 'idmapd.conf'])
        await writeFile(`/server/etc/${name}`, '', { flag: 'a' });
      await execa('modprobe', ['-a', 'nfsd', 'rpcsec_gss_krb5']);
    },
    beforeStop: 'rpc.nfsd 0',
  });
}

/** The node's name, its realm, and a user of its own. @returns takes all of that back, for the files of tests after this. */
export async function prepareNode(server: string, kdc: string): Promise<() => Promise<void>> {
  const edited = ['/etc/hosts', '/etc/passwd'];
  const before = await Promise.all(edited.map((path) => readFile(path, 'utf8')));
  const { stdout: name } = await execa('hostname');
  const node = server.replace(/\d+$/, '254');
  const names = [`${server} ${hosts.files}`, `${kdc} ${hosts.kdc}`, `${node} ${hosts.node}`];
  await appendFile('/etc/hosts', names.map((line) => `${line}\n`).join(''));
  await appendFile('/etc/passwd', user);
  await writeFile('/etc/idmapd.conf', idmapdConf);
  await writeFile('/etc/krb5.conf', krb5Conf(kdc));
  await execa('hostname', [hosts.node]);
  return async () => {
    await Promise.all(edited.map((path, index) => writeFile(path, before[index] ?? '')));
    for (const path of ['/etc/idmapd.conf', '/etc/krb5.conf', keytab]) await rm(path, { force: true });
    await execa('hostname', [name]);
    await execa('pkill', ['-KILL', '-x', 'rpc.gssd|rpc.idmapd'], { reject: false });
  };
}

/** On the node and the server alike. */
const user = 'alice:x:1000:1000::/:/bin/sh\n';
