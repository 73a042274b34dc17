import { globSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { architectures, toolchainOf } from '../../scripts/architectures.ts';
import { repository } from '../../scripts/paths.ts';

/** What the scripts and the tests install on this machine: programs alone. */

/** By name, wherever a source asks for them. */
function namesAskedFor(): readonly string[] {
  const sources = globSync('{scripts,test}/**/*.ts', { cwd: repository });
  const lists = sources.flatMap((path) => {
    const text = readFileSync(`${repository}/${path}`, 'utf8');
    return [...text.matchAll(/(?:ensureInstalled\(|^const packages = )\[([^\]]*)\]/gm)].map(
      ([, list = '']) => list,
    );
  });
  const names = lists.flatMap((list) =>
    [...list.matchAll(/'([a-z0-9][a-z0-9.+-]+)'/g)].map(([, name = '']) => name),
  );
  const compilers = (Object.keys(architectures) as (keyof typeof architectures)[]).flatMap(
    (architecture) => toolchainOf(architecture).packages,
  );
  return [...new Set([...names, ...compilers])].sort();
}

/** Of what is installed: the names, but for those of every Debian machine that boots, and what each has brought. */
async function filesOf(names: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const format = '$' + '{Package} $' + '{db:Status-Status} $' + '{Priority}\n';
  const { stdout } = await execa('dpkg-query', ['-W', '-f', format, ...names], { reject: false });
  const optional = [...stdout.matchAll(/^(\S+) installed (?:optional|standard|extra)$/gm)].map(
    ([, name = '']) => name,
  );
  const files = new Map<string, readonly string[]>();
  for (const name of optional) files.set(name, (await execa('dpkg-query', ['-L', name])).stdout.split('\n'));
  return files;
}

/** Names of units that systemd starts, or listens for, and of scripts that sysvinit does. */
function startedUnits(): ReadonlySet<string> {
  const links = globSync('/etc/systemd/{system,user}/*.{wants,requires}/*');
  const atBoot = globSync('/etc/rc[S2345].d/S*').map((path) => basename(readlinkSync(path)));
  return new Set([...links.map((path) => basename(path)), ...atBoot]);
}

test.serial('nothing that is installed for the tests runs by itself', async (t) => {
  const names = namesAskedFor();
  for (const one of ['strace', 'gcc-aarch64-linux-gnu', 'gnupg1', 'zstd']) t.true(names.includes(one), one);
  const files = await filesOf(names);
  t.true(files.has('strace') && files.has('skopeo'), 'what is installed is looked at');
  const started = startedUnits();
  const byItself = /^(\/usr)?\/lib\/systemd\/(system|user)\/|^\/etc\/init\.d\//;
  const always = /^(\/usr)?\/lib\/binfmt\.d\/.|^\/etc\/(cron\.\w+|xdg\/autostart|profile\.d|init)\/./;
  for (const [name, paths] of files)
    t.deepEqual(
      paths.filter((path) => always.test(path) || (byItself.test(path) && started.has(basename(path)))),
      [],
      `${name} would run by itself: take its files with unpackedPackage`,
    );
});
