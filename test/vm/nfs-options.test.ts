import test from 'ava';
import { execa } from 'execa';
import { requestedVersion, unclearVersion } from '../../src/mount/filesystems/nfs/options.ts';
import { home, mountNfs, newTarget } from '../support/guest/node.ts';
import { vmNode } from '../support/guest/vm-node.ts';

/** The mount.nfs of the rootfs and the kernel, asked without us: do we read options as they do? */

const { server } = vmNode(test);

/**
 * Runs the helper in a mount namespace that ends with it.
 * @returns the options that the kernel shows of the mount; undefined when there is none.
 */
async function mountedBy(helper: string, options: string): Promise<readonly string[] | undefined> {
  const script = `root=$(realpath "$1"); mount --make-rprivate /
    mount --bind /proc "$root/proc"; mount --bind /dev "$root/dev"
    mount -t tmpfs none "$root/tmp"; mkdir "$root/tmp/m"
    chroot "$root" "/sbin/$2" "$3" /tmp/m -o "$4" >&2 || exit 0
    grep " $root/tmp/m " /proc/self/mountinfo; umount "$root/tmp/m"`;
  const words = [`${home}/rootfs`, helper, `${server.address}:/srv/vol1`, options];
  const { stdout } = await execa('unshare', ['--mount', 'sh', '-c', script, 'sh', ...words], {
    timeout: 60_000,
  });
  return stdout === ''
    ? undefined
    : stdout
        .trim()
        .split(' ')
        .flatMap((word) => word.split(','));
}

async function versionBy(helper: string, options: string): Promise<string | undefined> {
  const given = `${options}${options === '' ? '' : ','}nolock,retry=0`;
  return (await mountedBy(helper, given))?.find((option) => /^vers=/.test(option))?.slice('vers='.length);
}

for (const [fstype, options] of [
  ...[
    '',
    'tcp',
    'minorversion=1',
    'vers=3',
    'nfsvers=3',
    'v3',
    'vers=4',
    'v4',
    'v4.0',
    'v4.1',
    'nfsvers=4.2',
  ].map((text) => ['nfs', text] as const),
  ...['vers=4,minorversion=1', 'minorversion=1,v4', 'vers=4.2,minorversion=1'].map(
    (text) => ['nfs', text] as const,
  ),
  ...['mountvers=3', 'mountproto=tcp', 'mountport=0', 'mountaddr=10.9.0.1', 'mounthost=10.9.0.1'].map(
    (text) => ['nfs', text] as const,
  ),
  ...['', 'minorversion=0', 'vers=3', 'v3', 'nfsvers=4.1'].map((text) => ['nfs4', text] as const),
]) {
  test.serial(`mount.${fstype} -o '${options}' mounts the version that we read`, async (t) => {
    t.is(unclearVersion(options), undefined);
    const read = requestedVersion(fstype, options);
    const newest = read === undefined || read === '4' ? '4.2' : read;
    t.is(await versionBy(`mount.${fstype}`, options), newest);
  });
}

for (const options of ['vers=4.1,mountvers=3', 'mountvers=2']) {
  test.serial(`mount.nfs -o ${options} mounts nothing`, async (t) =>
    t.is(await versionBy('mount.nfs', options), undefined),
  );
}

/** What comes of it, which nobody would guess: the reason why each is refused. */
for (const [options, version] of [
  ['sloppy,v4.01', '3'],
  ['sloppy,v4.3', '3'],
  ['sloppy,versx=3', '3'],
  ['sloppy,version=3', '3'],
  ['v3=x', '3'],
  ['vers= 3', '3'],
  ['vers=03', '3'],
  ['sloppy,VERS=3', '4.2'],
  ['vers=4,minorversion=', '4.0'],
  ['vers=3.0', undefined],
  ['vers=0x3', undefined],
  ['vers=3 ', undefined],
  ['vers=3,vers=4', undefined],
] as const) {
  test.serial(
    `mount.nfs -o '${options}' mounts ${version ?? 'nothing'}, and mounter refuses it`,
    async (t) => {
      t.is(await versionBy('mount.nfs', options), version);
      const call = await mountNfs(`${server.address}:/srv/vol1`, await newTarget(), options);
      t.is(call.status, 1, call.output);
      t.regex(
        call.output,
        /: asks for a version of NFS that there is not, for more than one, or .*\nhint: name the version once/,
      );
    },
  );
}

for (const [options, expected] of [
  // Ignored, for it is spelled in another case.
  ['sloppy,SEC=krb5,vers=4.2', 'sec=sys'],
  // Both may be used.
  ['sec=sys,sec=krb5,vers=4.2', 'sec=sys'],
  // mount.nfs finds a lock, and the kernel does not.
  ['sloppy,vers=3,nolock,LOCK', 'local_lock=all'],
  ['vers=3,nolock,local_lock=none', 'local_lock=all'],
  ['timeo=0600,vers=4.2', 'timeo=384'],
  ['port=0x801,vers=4.2', 'vers=4.2'],
] as const) {
  test.serial(`mount.nfs -o ${options} mounts with ${expected}, as policies have it`, async (t) =>
    t.true((await mountedBy('mount.nfs', `${options},retry=0`))?.includes(expected)),
  );
}

test.serial('mount.nfs -o sloppy,NOSUID is not nosuid', async (t) =>
  t.false((await mountedBy('mount.nfs', 'sloppy,NOSUID,vers=4.2,retry=0'))?.includes('nosuid')),
);
