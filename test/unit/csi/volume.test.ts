import test from 'ava';
import { CsiError } from '../../../src/csi/csi-error.ts';
import { isReader, volumeOf } from '../../../src/csi/volume.ts';

type Capability = Parameters<typeof volumeOf>[1];

function capability(mountFlags: readonly string[] = [], fsType = '', mode = 5): Capability {
  return { block: null, mount: { fsType, mountFlags, volumeMountGroup: '' }, accessMode: { mode } };
}

/** volumeAttributes and mountOptions, and the type, source and options that come of them. */
const understood: readonly (readonly [
  attributes: Readonly<Record<string, string>>,
  flags: readonly string[],
  volume: string,
])[] = [
  [{ server: 'files', share: '/a' }, [], 'nfs files:/a nosharecache'],
  [
    { server: 'files', share: '/a/', subDir: 'b/c' },
    ['vers=3', 'ro,hard'],
    'nfs files:/a/b/c nosharecache,vers=3,ro,hard',
  ],
  [{ server: 'files', share: '/', subDir: '/b/' }, [], 'nfs files:/b nosharecache'],
  [{ server: 'fd00::1', share: '/a' }, [], 'nfs [fd00::1]:/a nosharecache'],
  [{ server: '[fd00::1]', share: '/a' }, [''], 'nfs [fd00::1]:/a nosharecache'],
  // As csi-driver-nfs writes them, and what provisioners add.
  [
    {
      Server: 'files',
      SHARE: '/a',
      subdir: 'b',
      mountPermissions: '0777',
      'csi.storage.k8s.io/pv/name': 'x',
    },
    ['nfsvers=4.1'],
    'nfs files:/a/b nosharecache,nfsvers=4.1',
  ],
  // mountOptions of an inline volume, and as csi-driver-nfs has them, behind those of the PV.
  [
    { server: 'files', share: '/a', mountoptions: 'nfsvers=4.1,ro', onDelete: 'retain' },
    ['hard'],
    'nfs files:/a nosharecache,hard,nfsvers=4.1,ro',
  ],
  [{ type: 'glusterfs', server: 'g1', volume: 'v' }, [], 'glusterfs g1:/v '],
  [{ server: 'g1', volume: '/v' }, [], 'glusterfs g1:/v '],
  [
    { type: 'glusterfs', server: 'g1, g2,g3', volume: 'v', subDir: 'd' },
    ['log-level=ERROR'],
    'glusterfs g1:/v/d backup-volfile-servers=g2:g3,log-level=ERROR',
  ],
];

for (const [attributes, flags, expected] of understood)
  test(`${JSON.stringify(attributes)} ${flags}`, (t) => {
    const { fstype, source, options } = volumeOf(attributes, capability(flags));
    t.is(`${fstype} ${source} ${options.join()}`, expected);
  });

test('an fsType that contradicts the type', (t) => {
  const attributes = { type: 'nfs', server: 's', share: '/a' };
  t.throws(() => volumeOf(attributes, capability([], 'glusterfs')), {
    instanceOf: CsiError,
    message: /fs_type/,
  });
  // What a provisioner's default put into the PV says nothing.
  for (const fsType of ['ext4', 'nfs', 'nfs4'])
    t.is(volumeOf(attributes, capability([], fsType)).fstype, 'nfs');
});

test('what no program can be told is refused, and named', (t) => {
  const attributes = { server: 'files', share: '/a' };
  for (const [changed, flags, field] of [
    [{ share: '/a\0b' }, [], 'volume_context'],
    [{ share: `/${'a'.repeat(131_072)}` }, [], 'volume_context'],
    [{ mountOptions: 'ro\0' }, [], 'volume_context[mountOptions]'],
    [{}, [`x${'a'.repeat(131_072)}`], 'mount_flags'],
  ] as const) {
    const error = t.throws(() => volumeOf({ ...attributes, ...changed }, capability(flags)), {
      instanceOf: CsiError,
    });
    t.true(error?.message.startsWith(`${field}: `), error?.message);
  }
});

test('which access modes only read', (t) => {
  const readers = [1, 2, 3, 4, 5, 6, 7].filter((mode) => isReader(capability([], '', mode)));
  t.deepEqual(readers, [2, 3]);
});
