import test from 'ava';
import { formatError, MounterError } from '../../../../src/errors.ts';
import {
  type HelperName,
  type MountArguments,
  parseHelperArguments,
  parseMountArguments,
} from '../../../../src/mount/arguments/argv.ts';

const nothing: MountArguments = {
  fstype: undefined,
  source: undefined,
  target: undefined,
  options: '',
  fake: false,
  noMtab: false,
  sloppy: false,
  verbose: false,
  noCanonicalize: false,
  dryRun: false,
  json: false,
  asker: undefined,
  help: false,
};
const volume = '/var/lib/kubelet/pods/UID/volumes/kubernetes.io~nfs/v';
const mounted = { source: 's:/x', target: '/m' };

const calls: readonly (readonly [argv: readonly string[], expected: Partial<MountArguments>])[] = [
  // What kubelet and mount-utils call.
  [['-t', 'nfs', 'server1:/storage', volume], { fstype: 'nfs', source: 'server1:/storage', target: volume }],
  [
    ['-t', 'nfs', '-o', 'hard,nfsvers=4.1,ro', '10.0.0.5:/exports', volume],
    { fstype: 'nfs', options: 'hard,nfsvers=4.1,ro', source: '10.0.0.5:/exports', target: volume },
  ],
  [
    ['-t', 'nfs', '-o', 'lookupcache=none', '[fd00::5]:/x', volume],
    { fstype: 'nfs', options: 'lookupcache=none', source: '[fd00::5]:/x', target: volume },
  ],
  [
    [
      ...[
        '-t',
        'glusterfs',
        '-o',
        'auto_unmount,backup-volfile-servers=10.0.0.5,log-file=/l,log-level=ERROR',
      ],
      ...['10.0.0.5:vol_x', volume],
    ],
    {
      fstype: 'glusterfs',
      options: 'auto_unmount,backup-volfile-servers=10.0.0.5,log-file=/l,log-level=ERROR',
      source: '10.0.0.5:vol_x',
      target: volume,
    },
  ],
  [
    ['-t', 'myFS', '-o', 'o1,o2,s1,s2', 'mySrc', 'myTarget'],
    { fstype: 'myFS', options: 'o1,o2,s1,s2', source: 'mySrc', target: 'myTarget' },
  ],
  [
    ['--no-canonicalize', '-t', 'myFS', '-o', 'o1,o2,s1,s2', 'mySrc', 'myTarget'],
    { noCanonicalize: true, fstype: 'myFS', options: 'o1,o2,s1,s2', source: 'mySrc', target: 'myTarget' },
  ],
  [['-t', 'myFS', 'myTarget'], { fstype: 'myFS', target: 'myTarget' }],
  [[], {}],

  // Spellings of -t; the last one wins, as in mount(8).
  [['-tnfs', 's:/x', '/m'], { ...mounted, fstype: 'nfs' }],
  [['--types', 'nfs', 's:/x', '/m'], { ...mounted, fstype: 'nfs' }],
  [['--types=nfs', 's:/x', '/m'], { ...mounted, fstype: 'nfs' }],
  [['--ty=nfs', 's:/x', '/m'], { ...mounted, fstype: 'nfs' }],
  [['-vtnfs', 's:/x', '/m'], { ...mounted, fstype: 'nfs', verbose: true }],
  [['-t', 'nfs', '-t', 'glusterfs'], { fstype: 'glusterfs' }],
  [['-t', '', '-t', 'nfs'], { fstype: 'nfs' }],

  // -o: every one counts, in order and byte for byte.
  [['-o', 'a', '-ob', '--options=c', '--options', 'd'], { options: 'a,b,c,d' }],
  [['-otimeo=600,hard', 's:/x', '/m'], { ...mounted, options: 'timeo=600,hard' }],
  [['-oro', 's:/x', '/m'], { ...mounted, options: 'ro' }],
  [['-o', ',,a,,', '-o', 'b,'], { options: ',,a,,,b,' }],
  [['-o', '', '-o', 'a', '--options='], { options: 'a' }],
  [['-o', 'context="x:s0:c1,c2",ro'], { options: 'context="x:s0:c1,c2",ro' }],
  [['-o', '600'], { options: '600' }],
  [['-o', '0x10', '-o', '007', '-o', '1e3'], { options: '0x10,007,1e3' }],
  [['-o', 'été,😀'], { options: 'été,😀' }],
  [['-o', '-t', 's:/x', '/m'], { ...mounted, options: '-t' }],
  [['-o', '--', 's:/x', '/m'], { ...mounted, options: '--' }],
  [['-vo', 'ro'], { verbose: true, options: 'ro' }],
  [['-to', 'nfs'], { fstype: 'o', target: 'nfs' }],

  // -r and -w keep their place among the -o: the last of ro and rw wins, as in mount(8).
  [['-o', 'a,rw', '-r', '-o', 'b'], { options: 'a,rw,ro,b' }],
  [['-r', '-o', 'rw'], { options: 'ro,rw' }],
  [['-r', '-w'], { options: 'ro,rw' }],
  [['--read-only', '--rw', '--read-write', '--ro'], { options: 'ro,rw,rw,ro' }],
  [['-rv'], { options: 'ro', verbose: true }],

  // Flags.
  [['-v', '-vv', '--verbose'], { verbose: true }],
  [['-fns'], { fake: true, noMtab: true, sloppy: true }],
  [['--fake', '--no-mtab'], { fake: true, noMtab: true }],
  [['--no-m'], { noMtab: true }],
  [['-c'], { noCanonicalize: true }],
  [['--dry-run', '--json', '-h'], { dryRun: true, json: true, help: true }],
  [['--help'], { help: true }],
  [['-f', 'true'], { fake: true, target: 'true' }],
  [['-f', 'false'], { fake: true, target: 'false' }],

  // Operands.
  [['s:/x', '-t', 'nfs', '/m', '-o', 'ro'], { ...mounted, fstype: 'nfs', options: 'ro' }],
  [['-t', 'nfs', '--', '-s', '--t'], { fstype: 'nfs', source: '-s', target: '--t' }],
  [['--', 'a', '--'], { source: 'a', target: '--' }],
  [['-', '/m'], { source: '-', target: '/m' }],
  [['1', '2'], { source: '1', target: '2' }],
  [['--source', 's:/x', '--target', '/m'], mounted],
  [['--source=s:/x', '/m'], mounted],
  [['--target', '/m', 's:/x'], mounted],
  [['--source', 's:/x'], { source: 's:/x' }],
  [['--target=/m'], { target: '/m' }],
  [['__proto__', 'constructor'], { source: '__proto__', target: 'constructor' }],
];

for (const [argv, expected] of calls) {
  test(`mount ${argv.join(' ')}`, (t) => {
    t.deepEqual(parseMountArguments(argv), { ...nothing, ...expected });
  });
}

const refusals: readonly (readonly [argv: readonly string[], text: RegExp])[] = [
  [['a', 'b', 'c'], /more operands/],
  [['--source', 's', 'a', 'b'], /more operands/],
  [['--target', '/m', 'a', 'b'], /more operands/],
  [['--source', 's', '--target', '/m', 'x'], /more operands/],
  [['--source', 'a', '--source', 'b'], /--source: .*more than once/],
  [['--target', 'a', '--target', 'b'], /--target: .*more than once/],
  [['', '/m'], /source is empty/],
  [['s', ''], /target is empty/],
  [[''], /target is empty/],
  [['--source=', '/m'], /source is empty/],
  [['--target=', 's'], /target is empty/],
  [['-t', '', 's', '/m'], /-t: .*type is empty/],
  [['-t'], /-t: needs a value/],
  [['s', '/m', '-vo'], /-o: needs a value/],
  [['--types'], /--types: needs a value/],
  [['--opt=ro'], /--opt: .*ambiguous\nhint: .*--options-mode/],
  [['--read'], /--read: .*ambiguous/],
  [['--no'], /--no: .*ambiguous/],
  [['--='], /--: .*ambiguous/],
  [['--verbose=hunter2'], /--verbose: .*takes no value/],
  [['-Z'], /-Z: unknown option\nhint: see/],
  [['-fé'], /-é: unknown option/],
  [['-😀'], /-😀: unknown option/],
  [['--tpyes=hunter2'], /--tpyes: unknown option\nhint: did you mean --types\?/],
  [['-read-only'], /-e: unknown option\nhint: did you mean --read-only\?/],
  [['--sloppy'], /--sloppy: unknown option/],
  [['--frobnicate'], /--frobnicate: unknown option\nhint: see/],
  [['-o=ro'], /-o: .*begin with/],
  [['-o', "'password=hunter2'"], /-o: .*begin with/],
  [['-o', ' password=hunter2'], /-o: .*begin with/],
  [['-o', 'password="hunter2'], /-o: .*quote is not closed/],
  [['-o', 'a="hunter2', '-o', 'b"'], /-o: .*quote is not closed/],
  [['-o', 'user=x,', 'password=hunter2', 's', '/m'], /more operands/],
  [['-phunter2'], /-p: unknown option/],
  [['-a'], /-a: .*\nhint: .*no fstab/],
  [['--fork'], /--fork: .*\nhint: .*no fstab/],
  [['-T', 'f'], /-T: .*\nhint: .*no fstab/],
  [['--options-mode=x'], /--options-mode: .*\nhint: .*no fstab/],
  [['-B', 'a', 'b'], /-B: .*\nhint: .*host's own mount/],
  [['--rbind', 'a', 'b'], /--rbind: .*\nhint: .*host's own mount/],
  [['--move', 'a', 'b'], /--move: .*\nhint: .*host's own mount/],
  [['--make-rshared', 'a'], /--make-rshared: .*\nhint: .*host's own mount/],
  [['--make-slave', 'a'], /--make-slave: .*\nhint: .*host's own mount/],
  [['-L', 'x', '/m'], /-L: .*\nhint: .*SERVER:\/PATH/],
  [['-N', '1', 's', '/m'], /-N: .*\nhint: .*nsenter/],
  [['--mkdir', 's', '/m'], /--mkdir: .*\nhint: .*mkdir -p/],
  [['-m755', 's', '/m'], /-m: .*\nhint: .*mkdir -p/],
  [['-V'], /-V: .*\nhint: /],
];

for (const [argv, text] of refusals) {
  test(`mount ${argv.join(' ')} is a usage error: ${text.source}`, (t) => {
    const error = t.throws(() => parseMountArguments(argv), { instanceOf: MounterError });
    t.is(error.status, 1);
    t.regex(formatError(error), text);
    t.regex(formatError(error), /^mounter: .+\nhint: .+\n$/);
    t.notRegex(formatError(error), /hunter2/);
  });
}

const helperCalls: readonly (readonly [HelperName, readonly string[], Partial<MountArguments>])[] = [
  ['mount.nfs', ['s:/x', '/m'], { ...mounted, fstype: 'nfs' }],
  ['mount.nfs4', ['s:/x', '/m', '-o', 'rw,hard'], { ...mounted, fstype: 'nfs4', options: 'rw,hard' }],
  [
    'mount.nfs',
    ['s:/x', '/m', '-s', '-f', '-n', '-v', '-o', 'rw'],
    { ...mounted, fstype: 'nfs', sloppy: true, fake: true, noMtab: true, verbose: true, options: 'rw' },
  ],
  [
    'mount.nfs',
    ['s:/x', '/m', '-sfnv'],
    { ...mounted, fstype: 'nfs', sloppy: true, fake: true, noMtab: true, verbose: true },
  ],
  [
    'mount.nfs',
    ['s:/x', '/m', '-t', 'nfs.sub', '-ro', 'hard'],
    { ...mounted, fstype: 'nfs', options: 'ro,hard' },
  ],
  ['mount.glusterfs', ['s:v', '/m', '-t', 'glusterfs'], { source: 's:v', target: '/m', fstype: 'glusterfs' }],
  ['mount.glusterfs', ['--help'], { fstype: 'glusterfs', help: true }],
];

for (const [name, argv, expected] of helperCalls) {
  test(`${name} ${argv.join(' ')}`, (t) => {
    t.deepEqual(parseHelperArguments(name, argv), { ...nothing, ...expected });
  });
}

for (const [argv, text] of [
  [['s', '/m', '-N', '/proc/1/ns/mnt'], /-N: .*\nhint: .*nsenter/],
  [['s', '/m', '-t', 'cifs'], /-t: mount.nfs mounts nfs only/],
  [['s', '/m', '-t', 'nfs4'], /-t: mount.nfs mounts nfs only/],
  [['s', '/m', '--source', 'x'], /--source: unknown option/],
  [['s', '/m', 'x'], /more operands/],
  [['s', '/m', '-o'], /-o: needs a value/],
  [['', '/m'], /source is empty/],
] as const) {
  test(`mount.nfs ${argv.join(' ')} is a usage error`, (t) => {
    const error = t.throws(() => parseHelperArguments('mount.nfs', argv), { instanceOf: MounterError });
    t.is(error.status, 1);
    t.regex(formatError(error), text);
  });
}
