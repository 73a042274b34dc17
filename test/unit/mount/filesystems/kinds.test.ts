import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { MounterError } from '../../../../src/errors.ts';
import { kindNames } from '../../../../src/manifest/filesystem-kinds.ts';
import type { Filesystem } from '../../../../src/manifest/manifest.ts';
import { parseMountArguments } from '../../../../src/mount/arguments/argv.ts';
import { toMountRequest } from '../../../../src/mount/arguments/request.ts';
import { allTraits, isNetworkType } from '../../../../src/mount/filesystems/all.ts';
import type { FilesystemDriver } from '../../../../src/mount/filesystems/filesystem-driver.ts';
import { plain, plainTraits } from '../../../../src/mount/filesystems/plain.ts';
import { planWith } from '../../../../src/mount/plan.ts';
import { drivers, manifest, target } from '../../../support/model/node-model.ts';

const repository = join(import.meta.dirname, '../../../..');

/** Files, or folders, where a kind or a type of one may stand outside of src/mount/filesystems, and why that is no test of a kind. */
const exceptions: Readonly<Record<string, string>> = {
  'src/manifest/filesystem-kinds.ts': 'the list of the kinds, for the schema of the manifest',
  'src/host/processes.ts': 'names of programs',
  'src/services/': 'what a process of the rootfs is, by the name of its program',
  'src/mount/probe/probe-failure.ts': 'a service as rpcbind calls it',
  'src/mount/probe/failure-cache/text.ts': 'the same',
  'src/mount/failure/describe.ts': 'the same',
  'src/fleet/csi.ts': 'examples of volumes',
};

test('nobody but the drivers asks what kind of filesystem a mount is of', (t) => {
  const words = new Set([...kindNames, ...allTraits.flatMap(({ kernelTypes }) => kernelTypes)]);
  const names = [...words].map((word) => word.replaceAll('.', String.raw`\.`)).join('|');
  // The formatter has literals in single quotes; in double quotes they are in examples of JSON.
  const literal = new RegExp(`'(${names})'|^\\s*(${names}):`, 'm');
  const found = readdirSync(join(repository, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('mount/filesystems/'))
    .map((name) => `src/${name}`)
    .filter((file) => literal.test(withoutComments(readFileSync(join(repository, file), 'utf8'))));
  const excepted = (file: string) => Object.keys(exceptions).find((path) => file.startsWith(path));
  t.deepEqual(
    found.filter((file) => excepted(file) === undefined),
    [],
  );
  const unused = Object.keys(exceptions).filter((path) => !found.some((file) => file.startsWith(path)));
  t.deepEqual(unused, [], 'each exception is one still');
});

function withoutComments(text: string): string {
  return text.replaceAll(/^\s*\/?\*.*$|^\s*\/\/.*$/gm, '');
}

test('each kind has the driver that says so, and no type is of two kinds', (t) => {
  for (const kind of kindNames) t.is(drivers[kind].kind, kind);
  const types = allTraits.flatMap(({ kernelTypes }) => kernelTypes);
  t.is(new Set(types).size, types.length);
  for (const type of types) t.true(isNetworkType(type), type);
  t.false(isNetworkType('ext4'));
});

test('a driver and an entry of the manifest make a further type: the plan asks nobody else', (t) => {
  const driver: FilesystemDriver = {
    ...plain,
    kind: 'generic',
    traits: plainTraits,
    servers: ({ source }) => [source.slice(0, source.indexOf('|'))],
    helperArgv: (helper, request) => [helper, '--of', request.source, request.target],
    lockServices: () => 'always',
    daemon: 'kept',
    logFile: () => '/var/log/glusterfs/kept.log',
    options: { ...plain.options, forbidden: ['dangerous'] },
  };
  const entry: Filesystem = {
    helper: '/sbin/mount.kept',
    kind: 'generic',
    kernelFilesystem: 'kept',
    devices: [],
  } as const;
  const plan = (...options: readonly string[]) =>
    planWith(
      driver,
      entry,
      toMountRequest(parseMountArguments(['-t', 'kept', ...options, 'srv|x', target])),
      manifest,
    );
  t.like(plan(), {
    servers: ['srv'],
    leavesDaemon: true,
    logFile: {
      inRootfs: '/var/log/glusterfs/kept.log',
      onHost: '/var/log/containerized-mounter/glusterfs/kept.log',
    },
  });
  t.deepEqual(
    plan().steps.map((step) => step.kind),
    [
      'checkHelper',
      'checkTarget',
      'copyNodeFiles',
      'checkServer',
      'provideLockServices',
      'runHelper',
      'verifyMounted',
      'attach',
    ],
  );
  t.deepEqual(plan().steps.find((step) => step.kind === 'runHelper')?.argv, [
    '/sbin/mount.kept',
    '--of',
    'srv|x',
    target,
  ]);
  const error = t.throws(() => plan('-o', 'ro,dangerous'), { instanceOf: MounterError });
  t.like(error, { subject: 'dangerous', errorClass: 'policy', status: 1 });
});
