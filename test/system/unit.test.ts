import test from 'ava';
import { ensureInstalled } from '../../scripts/debian.ts';
import { installedMounter, mounter, mounterHome, ScratchNode } from '../support/node/namespace.ts';

/** Where no systemd runs; with one: test/systemd. */

test.serial('without systemd a shell line is printed that does the same', async (t) => {
  await using node = await ScratchNode.installed();
  const lines = await node.mustRun('unit', 'prepare');
  t.is(lines.split('\n')[1], `${mounterHome}/mounter prepare`);
  await node.shell(lines);
  t.is(await node.mustRun('prepare'), 'prepared already; nothing to do\n');
  await node.shell(await node.mustRun('unit', 'statd'));
  t.is(await node.mustRun('prepare'), 'prepared already; nothing to do\n');
});

test.serial('without systemd nothing is installed, and the line is in the hint', async (t) => {
  await using node = await ScratchNode.installed();
  const { status, stderr } = await node.mounter('unit', '--install');
  t.is(status, 2);
  t.regex(stderr, /^mounter: unit: systemd does not run on this node\nhint: .*mounter prepare/);
  const flag = `--experimental-mounter-path=${mounterHome}/mounter\n`;
  t.true(
    (await node.mounter('unit', 'kubelet-flag', '--install')).stderr.endsWith(
      `give it this flag, too: ${flag}`,
    ),
  );
  t.true((await node.mustRun('unit', 'kubelet-flag')).endsWith(`give it this flag, too:\n${flag}`));
  t.regex(await node.mustRun('unit', '--remove'), /^no systemd runs here, .*mounter prepare/);
});

test.serial('before an install the units are printed as they will be, and taken away', async (t) => {
  await using node = await ScratchNode.start();
  const text = await node.mustRun('unit', '--root', '/mnt/shared');
  t.regex(text, /^# .*-prepare\.service\n.*^ExecStart=.*mounter" "prepare"$.*^# .*-rpcbind\.service$/ms);
  t.is(await node.mustRun('unit', '--remove', '--root', '/mnt/shared'), 'not installed; nothing to do\n');
  t.regex(
    (await node.mounter('unit', '--install', '--root', '/mnt/shared')).stderr,
    /nothing is installed here/,
  );
});

test.serial('the units of another MOUNTER_HOME stay, and are named', async (t) => {
  await ensureInstalled(['systemd']);
  await using node = await ScratchNode.installed();
  const written = await node.mustRun('unit', '--install', '--root', '/mnt/shared');
  const other = await node.run([mounter, 'unit', '--remove', '--root', '/mnt/shared'], {
    environment: { MOUNTER_HOME: '/home/other' },
  });
  t.is(other.status, 0, other.stderr);
  const left = other.stdout.match(/^left \S+ as it is, which MOUNTER_HOME=\S+ has written$/gm) ?? [];
  t.is(left.length, written.match(/^wrote /gm)?.length ?? 0);
  t.true(left.length > 1);
  t.is(other.stdout.trim().split('\n').length, left.length);
  t.is(left[0]?.match(/MOUNTER_HOME=\S+/)?.[0], `MOUNTER_HOME=${mounterHome}`);
  // The same one by another name.
  await node.shell(`mkdir -p /mnt/shared/home; ln -s ${mounterHome} /mnt/shared/home/linked`);
  const removed = await node.run([mounter, 'unit', '--remove', '--root', '/mnt/shared'], {
    environment: { MOUNTER_HOME: '/home/linked' },
  });
  t.is(removed.stdout.match(/^removed /gm)?.length, left.length);
});

test.serial(
  'where an operator gives kubelet its flags, MOUNTER_MANIFEST goes to it by a drop-in',
  async (t) => {
    await using node = await ScratchNode.installed();
    const environment = { MOUNTER_MANIFEST: `${mounterHome}/rootfs-manifest.json.mine` };
    await node.shell(`cp ${mounterHome}/rootfs-manifest.json ${mounterHome}/rootfs-manifest.json.mine
    mkdir -p /mnt/shared/etc/default; echo KUBELET_EXTRA_ARGS= >/mnt/shared/etc/default/kubelet`);
    const change = async (verb: string, variables: Record<string, string> = environment) => {
      const argv = [installedMounter, 'unit', 'kubelet-flag', verb, '--root', '/mnt/shared'];
      const { status, stdout, stderr } = await node.run(argv, { environment: variables });
      t.is(status, 0, stderr);
      return stdout;
    };
    t.regex(await change('--install'), /^added --experimental-mounter-path .*\nwrote .*\.conf\n/);
    const directory = '/mnt/shared/etc/systemd/system/kubelet.service.d';
    const lines = (await node.shell(`cat ${directory}/*`)).split('\n').filter((line) => line.includes('='));
    t.deepEqual(lines, [`Environment="MOUNTER_MANIFEST=${environment.MOUNTER_MANIFEST}"`]);
    t.regex(await change('--install'), /nothing to do/);
    t.regex(
      await change('--remove', { MOUNTER_HOME: '/home/other' }),
      /^left .*\.conf as it is, which MOUNTER_HOME=\S+ has written\n$/,
    );
    t.regex(await change('--install', {}), /^removed .*\.conf\n$/, 'the variable is not wanted any more');
    await change('--install');
    await node.shell(`mkdir -p /mnt/shared/home; ln -s ${mounterHome} /mnt/shared/home/linked`);
    t.regex(
      await change('--remove', { MOUNTER_HOME: '/home/linked' }),
      /^took --experimental-mounter-path .*\nremoved .*\.conf\n$/,
    );
  },
);

test.serial('for another root the units themselves are printed', async (t) => {
  await using node = await ScratchNode.installed();
  const text = await node.mustRun('unit', 'prepare', '--root', '/mnt/shared');
  t.regex(text, /^# \/mnt\/shared\/etc\/systemd\/system\/containerized-mounter-prepare\.service\n/);
});

for (const [argv, message] of [
  [['prepair'], /^mounter: prepair: no such unit\nhint: did you mean prepare\?/],
  [['prepare', '--rootfs', '/x'], /^mounter: --rootfs: is for mounter unit kubelet alone\n/],
  [['--install', '--remove'], /^mounter: --remove: the opposite of --install\n/],
  [['--instal'], /did you mean --install\?/],
  [['--install', '--root', '/nowhere'], /^mounter: \/nowhere: no such directory\n/],
] as const) {
  test.serial(`mounter unit ${argv.join(' ')}: a usage error`, async (t) => {
    await using node = await ScratchNode.installed();
    const { status, stderr, stdout } = await node.mounter('unit', ...argv);
    t.is(status, 1);
    t.regex(stderr, message);
    t.is(stdout, '');
  });
}
