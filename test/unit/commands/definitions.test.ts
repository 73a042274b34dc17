import { execFileSync } from 'node:child_process';
import test from 'ava';
import { type Command, flagsOf } from '../../../src/commands/command.ts';
import { manual, overview, visible } from '../../../src/commands/help.ts';
import { changesNode, commands } from '../../../src/commands/table.ts';
import { mountRules } from '../../../src/mount/arguments/grammar.ts';
import { passesOn } from '../../../src/secrets.ts';

const all: readonly Command[] = commands.flatMap((command) => [command, ...(command.subcommands ?? [])]);

for (const command of all) {
  test(`${command.name}: one line says what it does, and no flag is described twice`, (t) => {
    t.regex(command.summary, /^[^\n]{1,90}[^.\n]$/);
    const names = flagsOf(command.flags).flatMap(({ name, short }) =>
      short === undefined ? [name] : [name, short],
    );
    t.deepEqual([...new Set(names)], names);
  });

  test(`${command.name}: help fits 80 columns and has each flag`, (t) => {
    const lines = manual(command).split('\n');
    t.deepEqual(
      lines.filter((line) => line.length > 80),
      [],
    );
    for (const { name } of visible(command.flags))
      t.true(
        lines.some((line) => new RegExp(`^ {2}(-., |    )?--?${name}( |$)`).test(line)),
        name,
      );
    t.deepEqual(repeated(lines), []);
  });
}

/** What stands there twice; not single lines that two flags have in common. */
function repeated(lines: readonly string[]): readonly string[] {
  const threes = lines.map((_, index) => lines.slice(index, index + 3).join('\n'));
  return threes.filter((three, index) => three.length > 80 && threes.indexOf(three) !== index);
}

test('the overview fits 80 columns', (t) => {
  t.deepEqual(
    overview(commands)
      .split('\n')
      .filter((line) => line.length > 80),
    [],
  );
});

test('what is for other parts of the mounter alone is in no help', (t) => {
  const internal = all.flatMap((command) => flagsOf(command.flags).filter(({ isInternal }) => isInternal));
  t.deepEqual([...new Set(internal.map(({ name }) => name))].sort(), [
    'append',
    'checked-settings',
    'fleet',
    'offer',
  ]);
  for (const command of all) t.notRegex(manual(command), /--append|--fleet|--checked-settings|--offer/);
});

test('the flags of mount are those of its grammar, which says what they mean', (t) => {
  const mount = commands.find(({ name }) => name === 'mount');
  const described = flagsOf(mount?.flags ?? {}).map(({ name, short }) =>
    [name, short ?? []].flat().map((one) => (one.length === 1 ? `-${one}` : `--${one}`)),
  );
  const accepted = mountRules.filter(
    (rule) => rule.refused === undefined && !('flag' in rule && rule.flag === 'help'),
  );
  for (const names of described)
    t.true(
      accepted.some((rule) => names.every((name) => rule.names.includes(name))),
      names.join(),
    );
  for (const { names } of accepted)
    t.true(
      names.some((name) => described.flat().includes(name)),
      names.join(),
    );
});

test('of what another program gets, its arguments are masked', (t) => {
  const passing = commands.filter(({ program }) => program !== undefined);
  t.deepEqual(passing.map(({ name }) => name).sort(), [...passesOn].sort());
});

test('which calls are for the record when nothing failed', (t) => {
  const changing = commands.map(({ name }) => name).filter((name) => changesNode([name]));
  t.deepEqual(changing.sort(), [
    'disable',
    'enable',
    'exec',
    'install',
    'prepare',
    'prune',
    'rollback',
    'teardown',
  ]);
  t.true(changesNode(['doctor', '--repair']));
  t.false(changesNode(['doctor', '--repair', '--help']));
  t.false(changesNode(['install', '--help']));
  t.true(changesNode(['exec', '--', 'ls', '--help']));
  t.false(changesNode(['mnt']));
  t.false(changesNode([]));
});

/** Names of the packages that are loaded with the descriptions. */
const packagesLoaded = `
  import { registerHooks } from 'node:module';
  const packages = new Set();
  registerHooks({
    load(url, context, next) {
      const name = /node_modules\\/([^/]+)/.exec(url)?.[1];
      if (name !== undefined) packages.add(name);
      return next(url, context);
    },
  });
  await import(process.argv[1]);
  console.log([...packages].sort().join(' '));
`;

test('the descriptions of all commands load nothing that is heavy', (t) => {
  const table = new URL('../../../src/commands/table.ts', import.meta.url).href;
  const argv = ['--input-type=module', '--eval', packagesLoaded, table];
  t.is(execFileSync(process.execPath, argv, { encoding: 'utf8' }), 'minimist\n');
});
