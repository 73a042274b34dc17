import { existsSync, rmSync, writeFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { momentsOver, rounds } from '../support/long-run.ts';
import { examineIn } from '../support/node/examine.ts';
import {
  installedMounter,
  kubeletDirectory,
  mounter,
  mounterHome,
  rootfsTar,
  ScratchNode,
} from '../support/node/namespace.ts';
import {
  currentVersion,
  manifestText,
  offer,
  rootfsBytes,
  rootfsWith,
} from '../support/node/rootfs-versions.ts';

/** The node's own settings, laid over the manifest that its rootfs was installed with. */

const manifestPath = `${mounterHome}/rootfs-manifest.json`;
const settingsPath = `${mounterHome}/node-settings.json`;
const secondTar = await rootfsWith('second-version');

const settingsOf = (node: ScratchNode) => JSON.parse(node.read(settingsPath));

function set(node: ScratchNode, settings: unknown): void {
  writeFileSync(
    node.path(settingsPath),
    typeof settings === 'string' ? settings : JSON.stringify(settings, undefined, 1),
  );
}

/** As it was done before there was a file for it. */
function edit(node: ScratchNode, change: (manifest: ReturnType<typeof JSON.parse>) => void): string {
  const manifest = JSON.parse(node.read(manifestPath));
  change(manifest);
  const text = JSON.stringify(manifest);
  writeFileSync(node.path(manifestPath), text);
  return text;
}

/** What a mount goes by. */
async function checked(node: ScratchNode) {
  return JSON.parse(await node.mustRun('status', '--checked-settings')).settings;
}

/** By the front alone, as kubelet calls it. */
async function refusal(node: ScratchNode, fstype: string): Promise<string> {
  const { stderr } = await node.run([
    installedMounter,
    'mount',
    '--dry-run',
    '-t',
    fstype,
    'srv:/x',
    `${kubeletDirectory}/x`,
  ]);
  return stderr;
}

test.serial('the next call goes by them, whatever is done to the file', async (t) => {
  await using node = await ScratchNode.prepared();
  t.is(await refusal(node, 'nfs'), '');
  set(node, { filesystems: { nfs: null } });
  t.regex(await refusal(node, 'nfs'), /^mounter: nfs: filesystem type not offered/);
  t.is(await refusal(node, 'nfs4'), '');
  set(node, { filesystems: { nfs4: null } });
  t.regex(await refusal(node, 'nfs4'), /^mounter: nfs4: filesystem type not offered/);
  t.is(await refusal(node, 'nfs'), '');
  set(node, { enabled: false });
  t.is(
    await node.mustRun('prepare'),
    `turned off by "enabled": false in ${settingsPath}; nothing done\n`,
    'the file that says it',
  );
  t.regex((await node.mounter('enable')).stderr, new RegExp(`^mounter: ${settingsPath}: "enabled": false`));
  set(node, { policy: { options: { required: ['vers=4.2'] } } });
  t.regex(await refusal(node, 'nfs'), /required/);
  rmSync(node.path(settingsPath));
  t.is(await refusal(node, 'nfs'), '');
});

test.serial(
  'a file that is not valid is named by its line and setting; an install leaves all as it is',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const file = offer(node, secondTar, 'second.tar');
    const before = [currentVersion(node), node.read(manifestPath)];
    for (const [text, says] of [
      [
        '{\n\n"limits": {"mountSecond": 60}}',
        'line 3: limits.mountSecond: there is no such setting; did you mean mountSeconds?',
      ],
      ['{"enter":\n"attatch"}', 'line 1: enter: '],
      ['{"enter"', 'not valid JSON: '],
      ['', 'is empty'],
    ] as const) {
      set(node, text);
      const message = `${settingsPath}: ${says}`;
      t.true((await refusal(node, 'nfs')).startsWith(`mounter: ${message}`), says);
      t.true((await node.mounter('doctor')).stdout.includes(`${settingsPath}: ${says}`), says);
      const { status, stderr } = await node.mounter('install', file);
      t.is(status, 2);
      t.true(stderr.startsWith(`mounter: ${message}`), stderr);
      t.deepEqual(
        [currentVersion(node), node.read(manifestPath), node.read(settingsPath)],
        [...before, text],
      );
    }
    await node.shell(`mkdir -p ${kubeletDirectory}/x`);
    await node.run([installedMounter, 'mount', '-t', 'nfs', 'srv:/x', `${kubeletDirectory}/x`]);
    const broken = await node.mounter('log', '--failures', '--json');
    t.is(broken.status, 0);
    t.true(broken.stderr.startsWith(`mounter: ${settingsPath}: is empty`), broken.stderr);
    rmSync(node.path(settingsPath));
    const failures = JSON.parse(await node.mustRun('log', '--failures', '--json'));
    t.deepEqual(JSON.parse(broken.stdout), failures);
    t.like(failures.calls.at(-1), { command: 'mount', source: 'srv:/x', msg: 'is empty' });
    await node.mustRun('disable');
    t.is((await node.run([installedMounter, 'mount', '--version'])).status, 0, 'turned off all the same');
  },
);

test.serial(
  'settings behind a link: its file counts, and a link that leads nowhere is no way past a policy',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const refused = () => refusal(node, 'nfs');
    const nowhere = await refused();
    await node.shell(
      `echo '{"policy": {"sources": []}}' >/tmp/own.json; ln -s /tmp/own.json ${settingsPath}`,
    );
    t.regex(await refused(), /the source is none of those allowed/);
    await node.shell('echo {} >/tmp/own.json');
    t.is(await refused(), nowhere);
    await node.shell('rm /tmp/own.json');
    t.regex(
      await refused(),
      /^mounter: \S+node-settings\.json: is a link that leads nowhere\nhint: see readlink /,
    );
    t.regex(
      (await node.mounter('doctor')).stdout,
      /^failing .*node-settings\.json: is a link that leads nowhere/m,
    );
    await node.shell(`rm ${settingsPath}`);
    t.is(await refused(), nowhere);
  },
);

test.serial('a manifest that MOUNTER_MANIFEST names, and that is not there', async (t) => {
  await using node = await ScratchNode.installed();
  const { stdout } = await node.run([installedMounter, 'status'], {
    environment: { MOUNTER_MANIFEST: '/nowhere.json' },
  });
  t.regex(
    stdout,
    / \/nowhere\.json: there is no manifest: nothing is installed here; unset MOUNTER_MANIFEST, or /,
  );
});

for (const [what, script] of [
  ['writable by others', `chmod 666 ${settingsPath}`],
  ['of another group that may write', `chmod 664 ${settingsPath}; chgrp 7 ${settingsPath}`],
  ["of somebody else's", `chown 7 ${settingsPath}`],
  ['a manifest of somebody else’s', `chown 7 ${manifestPath}`],
] as const)
  test.serial(`a file of settings ${what} counts for nothing: whoever writes it is root`, async (t) => {
    await using node = await ScratchNode.prepared();
    set(node, {});
    t.is((await node.mounter('doctor')).status, 0);
    await node.shell(script);
    const said =
      /^(\S+): others than root can write it, .*; run (chown root:root \S+ && chmod go-w \S+), once it says/m;
    const doctor = await examineIn(node);
    const [finding] = doctor.findings;
    const [, path, hint = ''] = said.exec(`${finding?.subject}: ${finding?.message}; ${finding?.hint}`) ?? [];
    t.is(doctor.status, 1);
    const mount = await refusal(node, 'nfs');
    t.true(mount.startsWith(`mounter: ${path}: others than root can write it`), mount);
    for (const command of ['prepare', 'install']) {
      const { status, stderr } = await node.mounter(command, ...(command === 'install' ? [rootfsTar] : []));
      t.is(status, 2, command);
      t.true(stderr.startsWith(`mounter: ${path}: others than root can write it`), stderr);
    }
    await node.shell(hint);
    t.is((await node.mounter('doctor')).status, 0);
  });

test.serial("a file of settings that root's own group may write is root's", async (t) => {
  await using node = await ScratchNode.prepared();
  set(node, { limits: { mountSeconds: 60 } });
  await node.shell(`chmod 664 ${settingsPath}; chown 0:0 ${settingsPath}`);
  t.is((await node.mounter('doctor')).status, 0);
  t.false((await refusal(node, 'nfs')).includes('others than root'));
});

test.serial('an install and a roll back leave them in force, and say what they are', async (t) => {
  await using node = await ScratchNode.prepared();
  set(node, { limits: { mountSeconds: 60 }, filesystems: { ceph: null } });
  const overrides = `${settingsPath} is laid over the manifest: limits.mountSeconds, filesystems.ceph\n`;
  const limits = { mountSeconds: 90, daemonSeconds: 5, terminateSeconds: 2 };
  const said = await node.mustRun('install', offer(node, secondTar, 'second.tar', { limits }));
  t.regex(
    said,
    /^wrote \S+\/rootfs-manifest\.json; it changes limits\.mountSeconds \(110 -> 90\), limits\.daemonSeconds \(10 -> 5\)$/m,
  );
  t.true(said.endsWith(overrides), said);
  t.like((await checked(node)).limits, { ...limits, mountSeconds: 60 });
  t.true((await node.mustRun('rollback')).endsWith(overrides));
  t.like((await checked(node)).limits, { mountSeconds: 60, daemonSeconds: 10 });
  t.is(node.read(manifestPath), manifestText);
  t.regex((await node.mounter('doctor')).stdout, /filesystems\.ceph: there is no such type as ceph/);
  set(node, { policy: { options: { forbidden: ['@default', 'nosiud'] } } });
  t.regex(
    (await node.mounter('doctor')).stdout,
    /warning .*node-settings\.json: policy\.options\.forbidden: nosiud is no option .*; did you mean nosuid\?/,
  );
});

function isKept(t: ExecutionContext, node: ScratchNode, expected: unknown, edited: string): void {
  t.deepEqual(settingsOf(node), expected);
  t.is(node.read(`${manifestPath}.previous`), edited);
}

test.serial(
  "what was edited in the manifest becomes the node's own, and what was off stays off",
  async (t) => {
    await using node = await ScratchNode.prepared();
    const edited = edit(node, (manifest) => {
      manifest.enabled = false;
      manifest.limits.mountSeconds = 55;
      manifest.filesystems.nfs = null;
      manifest.policy = { options: { forbidden: ['@default', 'nolock'] } };
      delete manifest.enter;
    });
    const before = await checked(node);
    const file = offer(node, secondTar, 'second.tar', {
      limits: { mountSeconds: 90, daemonSeconds: 5, terminateSeconds: 2 },
    });
    const said = await node.mustRun('install', file);
    t.regex(
      said,
      /^kept in \S+\/node-settings\.json what was edited in \S+\/rootfs-manifest\.json: filesystems\.nfs, limits\.mountSeconds, enter, enabled, policy\.options\.forbidden$/m,
    );
    t.regex(
      said,
      /\nthe mounter is turned off on this node, by "enabled": false in \S+\/node-settings\.json: take that line out, then run mounter prepare$/m,
    );
    isKept(
      t,
      node,
      {
        enter: null,
        filesystems: { nfs: null },
        limits: { mountSeconds: 55 },
        enabled: false,
        policy: { options: { forbidden: ['@default', 'nolock'] } },
      },
      edited,
    );
    const { limits } = before;
    t.deepEqual(await checked(node), { ...before, limits: { ...limits, daemonSeconds: 5 } });
    const again = await node.mustRun('install', file);
    t.true(again.startsWith('installed already: '), again);
    // Edited again: what stands in the file already goes before.
    edit(node, (manifest) => {
      manifest.limits.mountSeconds = 44;
      manifest.limits.connectSeconds = 4;
    });
    await node.mustRun('rollback');
    t.deepEqual(settingsOf(node).limits, { connectSeconds: 4, mountSeconds: 55 });
    t.is(node.read(manifestPath), manifestText);
  },
);

test.serial(
  'kept is nothing that nobody edited, and of what nobody knows what only says how to mount',
  async (t) => {
    await using node = await ScratchNode.installed();
    writeFileSync(node.path(manifestPath), JSON.stringify(JSON.parse(manifestText), undefined, 8));
    t.notRegex(await node.mustRun('install', rootfsTar), /kept/, 'other blanks are no other settings');
    t.false(existsSync(node.path(settingsPath)));
    writeFileSync(node.path(manifestPath), '{"enabled": false}');
    t.regex(
      await node.mustRun('install', rootfsTar),
      /rootfs-manifest\.json is not valid: it is \S+\.previous now\nkept in \S+ what was edited in \S+: enabled\n/,
    );
    isKept(t, node, { enabled: false }, '{"enabled": false}');
    rmSync(node.path(settingsPath));
    // A version that was installed before there were records.
    await node.shell(`rm ${mounterHome}/versions/*.json`);
    edit(node, (manifest) => {
      manifest.limits.mountSeconds = 33;
      manifest.daemons.rpcbind.arguments = ['-w', '-i'];
    });
    await node.mustRun('install', offer(node, secondTar, 'second.tar'));
    t.deepEqual(settingsOf(node), { limits: { mountSeconds: 33 } });
    // A manifest that is copied over the node's, and installed from there, is another version's.
    rmSync(node.path(settingsPath));
    const other = JSON.stringify({
      ...JSON.parse(manifestText),
      limits: { ...JSON.parse(manifestText).limits, mountSeconds: 22 },
    });
    writeFileSync(node.path(manifestPath), other);
    await node.mustRun('install', rootfsTar, '--manifest', manifestPath);
    t.false(existsSync(node.path(settingsPath)));
    t.is((await checked(node)).limits.mountSeconds, 22);
  },
);

test.serial('killed at any moment, an install takes no change of the manifest for an edit', async (t) => {
  await using node = await ScratchNode.prepared();
  const limits = { mountSeconds: 90, daemonSeconds: 5, terminateSeconds: 2 };
  const changed = offer(node, rootfsBytes, 'same.tar', { limits });
  for (const [moment, seconds] of momentsOver(rounds(5, 20), 0.05, 0.65).entries()) {
    const argv = moment % 2 === 0 ? ['install', changed] : ['install', rootfsTar];
    await node.run(['timeout', '--foreground', '-s', 'KILL', seconds, mounter, ...argv]);
    await node.mustRun('install', moment % 3 === 0 ? rootfsTar : changed);
    t.false(existsSync(node.path(settingsPath)), `killed after ${seconds} s`);
  }
});
