import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import pRetry from 'p-retry';
import { mounterExecutable } from '../../scripts/paths.ts';
import { Terminal } from '../support/terminal/terminal.ts';

/** Completion as somebody at a terminal has it: in bash, zsh and fish themselves, by the key. */

const scratch = mkdtempSync(join(tmpdir(), 'completion-'));
const digest = '0'.repeat(63).concat('7');
writeFileSync(join(scratch, 'tools.tar'), '');
writeFileSync(join(scratch, 'settings file.json'), '{}');
mkdirSync(join(scratch, 'images'));
mkdirSync(join(scratch, 'home/versions', digest), { recursive: true });
mkdirSync(join(scratch, 'home/rootfs/usr/sbin'), { recursive: true });
writeFileSync(join(scratch, 'home/rootfs/usr/sbin/showmount'), '');
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

/** In the place of the executable: says what it was called with, where it is not asked what to offer. */
const called = `#!/bin/sh
[ "$1" = completion ] && exec ${mounterExecutable} "$@"
printf '%s' '<' 'called'
printf ' [%s]' "$@"
echo '>'
`;
mkdirSync(join(scratch, 'bin'));
writeFileSync(join(scratch, 'bin/mounter'), called, { mode: 0o755 });

const environment = {
  PATH: `${scratch}/bin:${process.env.PATH}`,
  MOUNTER_HOME: join(scratch, 'home'),
  HOME: scratch,
  XDG_CONFIG_HOME: scratch,
  XDG_DATA_HOME: scratch,
  LC_ALL: 'C.UTF-8',
};

/** What is typed before the key, and what mounter is called with after it. */
const cases: readonly (readonly [typed: string, words: readonly string[]])[] = [
  ['stat', ['status']],
  ['manifest da', ['manifest', 'daemonset']],
  ['status --js', ['status', '--json']],
  ['install --no-s', ['install', '--no-switch']],
  ['install to', ['install', 'tools.tar']],
  ['install sett', ['install', 'settings file.json']],
  ['install --into im', ['install', '--into', 'images']],
  ['install --ca-file=to', ['install', '--ca-file=tools.tar']],
  ['mount -t glu', ['mount', '-t', 'glusterfs']],
  ['mount --types=glu', ['mount', '--types=glusterfs']],
  ['mount -t nfs -o ro server:/x im', ['mount', '-t', 'nfs', '-o', 'ro', 'server:/x', 'images']],
  ['rollback sha256:00', ['rollback', `sha256:${digest}`]],
  ['exec -- show', ['exec', '--', 'showmount']],
  ['unit kubelet-', ['unit', 'kubelet-flag']],
  ['help --man roo', ['help', '--man', 'rootfs-manifest.json']],
];

/** How each is started without anybody's settings, and what is typed first. */
const shells = {
  bash: ['bash --norc --noprofile -i', 'source <(mounter completion bash)'],
  zsh: ['zsh --no-rcs -i', 'autoload -Uz compinit && compinit -u -D; source <(mounter completion zsh)'],
  fish: ['fish --no-config -i', 'mounter completion fish | source'],
} as const;

for (const [shell, [start, setUp]] of Object.entries(shells))
  test.serial(`${shell}: the key completes commands, flags, values, files, types and versions`, async (t) => {
    const type = async () => {
      await using terminal = new Terminal(`cd ${scratch}; exec ${start}`, environment);
      terminal.type(`${setUp}; echo REA''DY\r`);
      await terminal.until(/READY/);
      const shown: string[] = [];
      for (const [typed] of cases) {
        terminal.type(`mounter ${typed}\t\r`);
        shown.push(await terminal.until(/<called[^>]*>/));
      }
      return shown;
    };
    // zsh 5.9 was once seen to compute for ever, without a system call, at a key that it had taken a hundred times.
    const shown = await pRetry(type, { retries: 1 });
    // zsh takes the slash back that it has put behind a directory.
    t.deepEqual(
      shown.map((line) => line.replaceAll('/]', ']')),
      cases.map(([, words]) => `<called${words.map((word) => ` [${word}]`).join('')}>`),
    );
  });

for (const [shell, [start, setUp]] of Object.entries(shells))
  test.serial(`${shell}: the key runs no command to find out which mounter it is`, async (t) => {
    await using terminal = new Terminal(`cd ${scratch}; exec ${start}`, environment);
    terminal.type(`${setUp}; echo REA''DY\r`);
    await terminal.until(/READY/);
    const command = `touch hit-${shell}; echo bin`;
    for (const word of shell === 'fish' ? [`(${command})`] : [`$(${command})`, `\`${command}\``])
      terminal.type(`${word}/mounter stat\t\u0015`);
    terminal.type("echo DO''NE\r");
    await terminal.until(/DONE/);
    t.false(existsSync(join(scratch, `hit-${shell}`)));
  });

test.serial('what would be no completion is none: nothing is offered, and nothing done', async (t) => {
  for (const words of [
    ['stat', ''],
    ['nosuch', ''],
    ['exec', ''],
    ['mount', '-t', 'nfs', ''],
  ]) {
    const { stdout, stderr } = await execa(mounterExecutable, ['completion', '--offer', '--', ...words]);
    t.deepEqual([stdout, stderr], ['', '']);
  }
});

test.serial("shellcheck has nothing against bash's, and zsh and fish can read theirs", async (t) => {
  for (const [shell, words] of Object.entries({
    bash: ['shellcheck', '--shell=bash'],
    zsh: ['zsh', '-n'],
    fish: ['fish', '-n'],
  })) {
    const file = join(scratch, `completion.${shell}`);
    writeFileSync(file, (await execa(mounterExecutable, ['completion', shell])).stdout.concat('\n'));
    const [program = '', ...args] = words;
    const { stdout, stderr } = await execa(program, [...args, file]);
    t.deepEqual([stdout, stderr], ['', '']);
  }
});

for (const page of ['mounter', 'rootfs-manifest.json'])
  test.serial(`the manual page ${page} is clean, and fits 80 columns`, async (t) => {
    const { stdout: input } = await execa(mounterExecutable, ['help', '--man', page]);
    const lint = await execa('mandoc', ['-T', 'lint'], { input: `${input}\n`, reject: false });
    t.deepEqual([lint.exitCode, lint.stdout], [0, '']);
    const { stdout } = await execa('mandoc', ['-T', 'ascii', '-O', 'width=80'], { input: `${input}\n` });
    // Bold is a letter over itself.
    const lines = stdout.replace(/.\x08/g, '').split('\n');
    t.deepEqual(
      lines.filter((line) => line.length > 80),
      [],
    );
  });
