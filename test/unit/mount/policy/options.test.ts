import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import type { Filesystem, NodeSettings } from '../../../../src/manifest/manifest.ts';
import { parseManifest } from '../../../../src/manifest/manifest.ts';
import { checkPolicy } from '../../../../src/mount/policy/options.ts';
import { drivers, manifest } from '../../../support/model/node-model.ts';

type Rules = NodeSettings['policy']['options'];
type Kind = Filesystem['kind'];

function check(kind: Kind, options: string, rules: Rules = {}, source = 'srv:/x', fstype: string = kind) {
  const policy = { ...manifest.policy, options: rules };
  return checkPolicy(drivers[kind], { fstype, source, options }, { policy, mounts: manifest.mounts });
}

function refusal(
  kind: Kind,
  options: string,
  rules: Rules = {},
  source?: string,
  fstype?: string,
): MounterError | undefined {
  try {
    check(kind, options, rules, source, fstype);
    return undefined;
  } catch (error) {
    if (error instanceof MounterError) return error;
    throw error;
  }
}

const log = '/var/lib/kubelet/plugins/kubernetes.io/glusterfs/vol/pod-glusterfs.log';

for (const [kind, options] of [
  ['nfs', ''],
  ['nfs', 'hard,nfsvers=4.1,ro,timeo=600,retrans=2,noatime,nolock,fsc,sec=krb5p,x-systemd.automount,_netdev'],
  ['nfs', 'context="system_u:object_r:container_file_t:s0:c1,c22",fg,retry=0'],
  ['nfs', 'context="system_u:object_r:container_file_t:s0:c1,c22-s0:c0.c1023"'],
  ['glusterfs', `auto_unmount,backup-volfile-servers=10.0.0.2:[fd00::3],log-file=${log},log-level=ERROR,ro`],
  ['glusterfs', 'transport=tcp,direct-io-mode=enable,attribute-timeout=1,lru-limit=1000,process-name=x'],
  ['glusterfs', 'xlator-option=transport.address-family=inet6,ro'],
  ['glusterfs', 'xlator-option=transport.address-family=inet'],
  ['generic', 'username=u,password=a,b,vers=3.0'],
] as const) {
  test(`the default allows ${kind} ${options}`, (t) => t.is(refusal(kind, options), undefined));
}

for (const [kind, options, subject] of [
  ['nfs', 'bg', 'bg'],
  ['nfs', 'bg,fg', 'bg'],
  ['nfs', 'hard,BG', 'bg'],
  ['nfs', 'bg=1', 'bg'],
  ['nfs', '"bg"', 'bg'],
  ['nfs', 'context="a,bg"', 'bg'],
  ['nfs', 'x\\,bg', 'bg'],
  ['nfs', ' bg ', 'bg'],
  ['nfs', 'remount', 'remount'],
  ['nfs', 'ro,remount,vers=4.2', 'remount'],
  ['nfs', 'REMOUNT=1', 'remount'],
  ['nfs', 'context="a,remount"', 'remount'],
  ['glusterfs', 'remount', 'remount'],
  ['generic', 'remount,ro', 'remount'],
  ['nfs', 'context="a,sloppy"', 'options'],
  ['nfs', 'x-a\\,nosuid', 'options'],
  ['nfs', 'x-a\\"b\\"', 'options'],
  ['nfs', 'bind', 'bind'],
  ['nfs', 'rbind,ro', 'rbind'],
  ['nfs', 'move', 'move'],
  ['nfs', 'private', 'private'],
  ['nfs', 'rshared', 'rshared'],
  ['nfs', 'loop=/dev/loop0', 'loop'],
  ['nfs', 'X-mount.subdir=x', 'x-mount.subdir'],
  ['nfs', 'x-mount.owner=1000', 'x-mount.owner'],
  ['nfs', 'verity.hashdevice=/dev/sda', 'verity.*'],
  ['glusterfs', 'xlator-option=*.x=y', 'xlator-option'],
  ['glusterfs', 'xlator-option=transport.address-family=unix', 'xlator-option'],
  ['glusterfs', 'xlator-option=transport.address-family=inet6 *.x=y', 'xlator-option'],
  ['glusterfs', 'xlator-option=transport.address-family=inet6,xlator-option=*.x=y', 'xlator-option'],
  ['glusterfs', 'ro,fuse-mountopts=suid', 'fuse-mountopts'],
  ['glusterfs', 'dump-fuse=/var/lib/kubelet/x', 'dump-fuse'],
  ['glusterfs', 'pid-file=/var/lib/kubelet/x', 'pid-file'],
  ['glusterfs', 'volfile=/x', 'volfile'],
  ['glusterfs', 'transport=unix', 'transport=unix'],
  ['glusterfs', 'subdir-mount=../x', 'subdir-mount'],
  ['glusterfs', 'log-file=/etc/passwd', 'log-file'],
  ['glusterfs', 'log-file=/var/log/glusterfs/x.log', 'log-file'],
  ['glusterfs', 'log-file', 'log-file'],
  ['glusterfs', 'log-file=x.log', 'log-file'],
  ['glusterfs', 'log-file=/var/lib/kubelet/../../etc/x.log', 'log-file'],
  ['glusterfs', 'log-file=/var/lib/kubelet//x.log', 'log-file'],
  ['glusterfs', 'log-file=/var/lib/kubelet/config.yaml', 'log-file'],
  ['glusterfs', 'log-file=/var/lib/kubelet/pods/u/volumes/x/y.log', 'log-file'],
  ['glusterfs', 'log-file=/var/lib/kubeletx/y.log', 'log-file'],
  ['glusterfs', `"log-file=${log}"`, 'log-file'],
  ['glusterfs', `LOG-FILE=${log}`, 'log-file'],
  ['glusterfs', `log-file=${log},log-file=/etc/x.log`, 'log-file'],
  ['generic', 'bind', 'bind'],
] as const) {
  test(`the default refuses ${kind} ${JSON.stringify(options)}`, (t) => {
    const error = refusal(kind, options);
    t.is(error?.errorClass, 'policy');
    t.is(error?.subject, subject);
    t.is(error?.status, 1);
    t.regex(`${error?.message}`, /policy\.options|"\.\."/);
  });
}

test('the file that kubelet names comes back, to be looked at', (t) => {
  const identityMount = '/var/lib/kubelet';
  t.deepEqual(check('glusterfs', `ro,log-file=${log}`), [{ option: 'log-file', path: log, identityMount }]);
});

test('CVE-2026-3864: a source that leads up is refused', (t) => {
  for (const source of ['srv:/x/../y', 'srv:/..', 'srv:..', '[fd00::5]:/x/..', 'srv:vol/../x'])
    t.is(refusal('nfs', '', {}, source)?.errorClass, 'policy', source);
  for (const source of ['nfs://srv//x/%2e%2E/y', 'nfs://srv//x%2F..', 'nfs://srv//x/..?ro=1'])
    t.is(refusal('nfs', '', {}, source)?.errorClass, 'policy', source);
  for (const source of ['srv:/x..y', 'srv:/...', 'srv:/x/․․/y', 'srv..example:/x', 'srv:/x/%2e%2e'])
    t.is(refusal('nfs', '', {}, source), undefined, source);
});

const settings: readonly (readonly [options: string, rules: Rules, subject: string | undefined])[] = [
  ['nolock', { forbidden: ['@default', 'nolock'] }, 'nolock'],
  ['bind', { forbidden: ['@default', 'nolock'] }, 'bind'],
  ['bind', { forbidden: ['nolock'] }, undefined],
  ['bind', { nfs: { forbidden: [] } }, undefined],
  ['bind', { glusterfs: { forbidden: [] } }, 'bind'],
  ['bg', { forbidden: [], allowed: ['bg'] }, 'bg'],
  ['remount,ro', { forbidden: [], allowed: ['remount', 'ro'] }, 'remount'],
  ['vers=3', { nfs: { forbidden: ['vers=3'] } }, 'vers=3'],
  ['nfsvers=3', { forbidden: ['vers=3'] }, 'vers=3'],
  ['v3', { forbidden: ['vers=3'] }, 'vers=3'],
  ['vers=03', { forbidden: ['vers=3'] }, 'vers=3'],
  ['vers=4.1', { forbidden: ['vers=4'] }, 'vers=4'],
  ['vers=4,minorversion=0', { forbidden: ['vers=4.0'] }, 'vers=4.0'],
  ['vers=4.1', { forbidden: ['vers=4.0'] }, undefined],
  ['udp', { forbidden: ['proto=udp'] }, 'proto=udp'],
  ['sec=sys', { required: ['sec=krb5p'] }, 'sec=krb5p'],
  ['sec=krb5p', { required: ['sec=krb5p'] }, undefined],
  ['sec=krb5p,sec=sys', { required: ['sec=krb5p'] }, 'sec=krb5p'],
  ['nosuid,suid', { required: ['nosuid'] }, 'nosuid'],
  ['suid,nosuid', { nfs: { required: ['nosuid'] } }, undefined],
  ['context="a,nosuid,b"', { required: ['nosuid'] }, 'nosuid'],
  ['', { required: ['hard'] }, 'hard'],
  ['hard,softerr', { required: ['hard'] }, 'hard'],
  ['nfsvers=4.2', { required: ['vers=4.2'] }, undefined],
  ['ro,vers=4.1', { allowed: ['ro', 'vers'] }, undefined],
  ['ro,nfsvers=4.1,timeo=600', { allowed: ['ro', 'vers', 'time*'] }, undefined],
  ['ro,rw', { allowed: ['ro'] }, 'rw'],
  // Of the CSI driver.
  ['nosharecache,ro', { allowed: ['ro'] }, undefined],
  ['context="a,nolock"', { allowed: ['context'] }, 'options'],
  ['context="s0:c1,c2"', { allowed: ['context'] }, undefined],
  ['hunter2,secret=x', { allowed: ['ro'] }, 'option number 1'],
  // What asks for v3 without naming it.
  ['mountvers=3', { forbidden: ['vers=3'] }, 'vers=3'],
  ['mountvers=2', { forbidden: ['vers=2'] }, 'vers=2'],
  ['mountvers=2', { forbidden: ['vers=3'] }, 'vers=3'],
  ['mountproto=tcp', { forbidden: ['vers=3'] }, 'vers=3'],
  ['mountaddr=10.0.0.5', { forbidden: ['vers=3'] }, 'vers=3'],
  ['mounthost=srv', { forbidden: ['v3'] }, 'v3'],
  ['mountport=0', { forbidden: ['nfsvers=3'] }, 'nfsvers=3'],
  ['v3=x', { forbidden: ['vers=3'] }, 'vers=3'],
  ['versx=3', { forbidden: ['vers=3'] }, 'vers=3'],
  ['vers= 3', { forbidden: ['vers=3'] }, 'vers=3'],
  ['vers=+3', { forbidden: ['vers=3'] }, 'vers=3'],
  ['VERS=3', { forbidden: ['vers=3'] }, 'vers=3'],
  ['context="a,v3,b"', { forbidden: ['vers=3'] }, 'vers=3'],
  ['v4.1', { forbidden: ['minorversion=1'] }, 'minorversion=1'],
  // An entry is as good in one spelling as in another.
  ['vers=3', { forbidden: ['nfsvers=3'] }, 'nfsvers=3'],
  ['vers=4.2', { forbidden: ['v4'] }, 'v4'],
  ['tcp', { forbidden: ['tcp'] }, 'tcp'],
  ['proto=tcp', { forbidden: ['tcp'] }, 'tcp'],
  ['proto=udp6', { forbidden: ['udp'] }, 'udp'],
  ['proto=udp', { forbidden: ['proto=udp6'] }, undefined],
  ['mountproto=udp6', { forbidden: ['mountproto=udp'] }, 'mountproto=udp'],
  // A list of flavours, any of which may be used.
  ['sec=sys:krb5', { forbidden: ['sec=krb5'] }, 'sec=krb5'],
  ['sec=sys:krb5', { forbidden: ['sec=sys'] }, 'sec=sys'],
  ['sec=:SYS', { forbidden: ['sec=sys'] }, 'sec=sys'],
  ['sec=null', { forbidden: ['sec=none'] }, 'sec=none'],
  ['sec=krb5i', { forbidden: ['sec=krb5'] }, undefined],
  ['sec=krb5p:sys', { required: ['sec=krb5p'] }, 'sec=krb5p'],
  ['sec=sys,sec=krb5p', { required: ['sec=krb5p'] }, 'sec=krb5p'],
  ['sec=krb5i', { required: ['sec=krb5i:krb5p'] }, undefined],
  ['sec=krb5i:krb5p', { allowed: ['sec=krb5p'] }, 'sec'],
  ['sec=', { required: ['sec=krb5p'] }, 'sec=krb5p'],
  // With sloppy the kernel ignores what is not spelled exactly so.
  ['SEC=krb5p,sloppy', { required: ['sec=krb5p'] }, 'sec=krb5p'],
  ['"sec=krb5p",sloppy', { required: ['sec=krb5p'] }, 'sec=krb5p'],
  ['NOSUID,sloppy', { required: ['nosuid'] }, 'nosuid'],
  ['nosuid,SUID', { required: ['nosuid'] }, 'nosuid'],
  ['a\\,nosuid,sloppy', { required: ['nosuid'] }, 'options'],
  ['V4.1,sloppy', { allowed: ['vers=4.1', 'sloppy'] }, 'v4'],
  ['RO', { allowed: ['ro'] }, 'ro'],
  // Numbers: the kernel reads octal and hexadecimal ones.
  ['port=0x801', { forbidden: ['port=2049'] }, 'port=2049'],
  ['port=04001', { forbidden: ['port=2049'] }, 'port=2049'],
  ['port=2049x', { forbidden: ['port=2049'] }, 'port=2049'],
  ['port=20491', { forbidden: ['port=2049'] }, undefined],
  ['timeo=0600', { required: ['timeo=600'] }, 'timeo=600'],
  ['timeo=0600', { allowed: ['timeo=600'] }, 'timeo'],
  // The last that decides, in whatever words.
  ['tcp,udp', { required: ['tcp'] }, 'tcp'],
  ['udp,proto=tcp6', { required: ['tcp'] }, undefined],
  ['lock,local_lock=all', { required: ['lock'] }, 'lock'],
  ['vers=4,minorversion=1', { required: ['vers=4.1'] }, undefined],
  ['minorversion=1', { required: ['vers=4.1'] }, 'vers=4.1'],
  ['minorversion=1,vers=4.2', { required: ['vers=4.1'] }, 'vers=4.1'],
  ['vers=4', { required: ['vers=4.2'] }, 'vers=4.2'],
  ['vers=4.1', { required: ['vers'] }, undefined],
  ['', { required: ['vers'] }, 'vers'],
  ['v4.1=x', { required: ['vers=4.1'] }, 'vers=4.1'],
  ['mountport=5', { allowed: ['vers=3'] }, 'mountport'],
  ['x-a,ro', { required: ['x-*'] }, undefined],
];
for (const [options, rules, subject] of settings) {
  test(`${options || 'no options'} under ${JSON.stringify(rules)}`, (t) => {
    t.is(refusal('nfs', options, rules)?.subject, subject);
  });
}

test('the type nfs4 asks for v4 as long as no option says otherwise', (t) => {
  const subjectOf = (options: string, rules: Rules) =>
    refusal('nfs', options, rules, undefined, 'nfs4')?.subject;
  t.is(subjectOf('', { forbidden: ['vers=4'] }), 'vers=4');
  t.is(subjectOf('minorversion=0', { forbidden: ['vers=4.0'] }), 'vers=4.0');
  t.is(subjectOf('vers=3', { forbidden: ['vers=4'] }), undefined);
  t.is(subjectOf('vers=3', { required: ['vers=4'] }), 'vers=4');
  t.is(subjectOf('', { required: ['vers=4'] }), undefined);
});

for (const options of [
  'vers=3,vers=4',
  'v4.01',
  'v4.3',
  'vers=3.0',
  'vers=0x3',
  'vers=03',
  'version=3',
  'minorversion=',
]) {
  test(`a version that two readers take differently is refused: ${options}`, (t) => {
    t.like(refusal('nfs', options), { status: 1, errorClass: 'bad-option' });
  });
}

test('what asks for a forbidden option in other words is named, and no word that may be a secret', (t) => {
  const rules = { forbidden: ['vers=3'] };
  t.regex(`${refusal('nfs', 'mountvers=3', rules)?.message}`, /\), and mountvers asks for it$/);
  t.regex(`${refusal('nfs', 'password=a,v3hunter2', rules)?.message}`, /\)$/);
});

test('remount: the way that works is told', (t) => {
  t.regex(`${refusal('nfs', 'remount,ro')?.hint}`, /^umount the target, and mount it again/);
});

test('a refusal shows no value', (t) => {
  for (const options of ['password=bg,hunter2,bg', 'secret=hunter2,bind', 'log-file=/hunter2'])
    for (const kind of ['nfs', 'glusterfs', 'generic'] as const) {
      const error = refusal(kind, options, { allowed: ['nothing'] });
      t.false(`${error?.message} ${error?.subject} ${error?.hint}`.includes('hunter2'), `${kind} ${options}`);
    }
});

test('entries of the manifest that name no option are errors with their place', (t) => {
  const text = JSON.stringify({ ...manifest, policy: { options: { nfs: { forbidden: ['a,b'] } } } });
  t.throws(() => parseManifest(text, 'm'), { message: /^policy\.options\.nfs\.forbidden\.0: must be NAME/ });
});
