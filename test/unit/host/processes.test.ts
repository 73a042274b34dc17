import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { fileHost } from '../../../src/host/file-host.ts';
import {
  isNamed,
  isProgram,
  isRoots,
  ownAncestry,
  processes,
  processesNamed,
} from '../../../src/host/processes.ts';

const source = join(import.meta.dirname, '../../../src');

/**
 * What waits for the lock of a process's memory, which whoever runs the process can hold for ever; and what asks the
 * filesystem of its root or working directory. Tried on Linux 6.18; maps and the like waited on older ones.
 */
const blocking =
  /\/(cmdline|environ|maps|smaps|smaps_rollup|numa_maps|pagemap|mem|map_files|clear_refs)(?!\w)|\/(root|cwd)(\/|\$\{)/;

/** Whose are asked all the same, and why that can't block. */
const allowed: Readonly<Record<string, RegExp>> = {
  // Its own.
  'host/replace-process.ts': /^\/proc\/self\/cmdline$/,
  // Process 1 is nobody's without privileges.

  'rootfs/entrance.ts': /^\/proc\/1\/root\$\{pin\}$/,
  'services/starts.ts': /^\/proc\/1\/root\$\{path\}$/,
  // A command that is shown, and run by a person.
  'mount/filesystems/nfs/kerberos.ts': /klist -k \$\{word\(/,
  // The container's own files, seen from the host.
  'node-agent/on-host.ts': /^\/proc\/\$\{process\.pid\}\/root\$\{path\}$/,
  // By a program of its own, which is given up after a second.
  'doctor/kubelet.ts': /^\/proc\/\$\{pid\}\/cmdline$/,
  // A daemon of a rootfs of ours, found to be one before.
  'mount/filesystems/glusterfs/glusterfs.ts': /^\/proc\/\$\{pid\}\/cmdline$/,
  // A process of the same mount and user namespace as the script: where nobody else changes his root directory.
  'services/start-statd.ts': /^\$process\/root\/\.$/,
};

test('nothing is asked of other processes that they can keep from being answered', (t) => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(ts|c|sh)$/.test(name),
  );
  t.true(files.length > 100);
  const found = files.flatMap((name) =>
    literals(readFileSync(join(source, name), 'utf8'))
      .filter((text) => /\/proc\/|\$process/.test(text) && blocking.test(text))
      .map((text) => ({ name, text })),
  );
  t.deepEqual(
    found.filter(({ name, text }) => allowed[name]?.test(text) !== true),
    [],
  );
  t.true(found.length > 0, 'the allowed ones are found');
});

/** What stands between quotation marks, comments left out. */
function literals(code: string): readonly string[] {
  const plain = code.replace(/^\s*(\/\/|\/?\*|#).*$/gm, '');
  return [...plain.matchAll(/'([^'\n]*)'|"([^"\n]*)"|`([^`\n]*)`/g)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  );
}

test('a process is told by what the kernel knows of it', async (t) => {
  const child = spawn('sleep', ['100']);
  try {
    await once(child, 'spawn');
    t.deepEqual(
      processesNamed(['sleep']).find(({ pid }) => pid === child.pid),
      {
        pid: child.pid,
        name: 'sleep',
        executable: readlinkSync(`/proc/${child.pid}/exe`),
        root: '/',
        mountNamespace: readlinkSync('/proc/self/ns/mnt'),
        isInOurNetwork: true,
      },
    );
    t.true(processes().some(({ pid }) => pid === child.pid));
    t.is(isRoots(child.pid ?? 0), process.geteuid?.() === 0);
    t.deepEqual(processesNamed(['slee']), []);
  } finally {
    child.kill('SIGKILL');
  }
});

test('of a long name the kernel keeps 15 bytes', (t) => {
  t.true(isNamed('mount.glusterfs', ['mount.glusterfs']));
  t.true(isNamed('containerized-m', ['containerized-mounter']));
  t.false(isNamed('containerized', ['containerized-mounter']));
  t.false(isNamed(undefined, ['x']));
});

test('a program is known by its file too, whatever the process is called', (t) => {
  const [process] = processes();
  if (process === undefined) throw new Error('no process');
  const running = (name: string, executable: string | undefined) =>
    isProgram({ ...process, name, executable }, ['glusterfs', 'glusterfsd']);
  t.true(running('glusterfs', undefined));
  t.true(running('.other', '/usr/sbin/glusterfsd'));
  t.true(running('.other', '/usr/sbin/glusterfsd (deleted)'));
  t.false(running('mount.glusterfs', '/usr/bin/dash'));
  t.false(running('.other', '/usr/sbin/glusterfsd/x'));
});

test('our own ancestry begins with us and ends with nobody', (t) => {
  const pids = ownAncestry();
  t.deepEqual(pids.slice(0, 2), [process.pid, process.ppid]);
  t.is(new Set(pids).size, pids.length);
});

test('what /proc has of a process that ends while it is read is as if it were not there', async (t) => {
  const child = spawn('sleep', ['1000']);
  // Opened anew by this name, it is the very file.
  const fd = openSync(`/proc/${child.pid}/status`, 'r');
  t.regex(fileHost.readText(`/proc/self/fd/${fd}`) ?? '', /^Name:\tsleep$/m);
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.throws(() => readFileSync(`/proc/self/fd/${fd}`), { code: 'ESRCH' });
  t.is(fileHost.readText(`/proc/self/fd/${fd}`), undefined);
  closeSync(fd);
});
