import { availableParallelism } from 'node:os';
import { execa } from 'execa';
import { ensureServerRootfs } from '../test/support/gluster/gluster-server.ts';
import { ensureSmbRootfs } from '../test/support/node/smb-rootfs.ts';
import { ensureContainerRuntime, ensureRuntimeForVm } from '../test/support/packages/container-runtime.ts';
import { ensureCosign } from '../test/support/packages/cosign.ts';
import { ensureDpkgForVm } from '../test/support/packages/debian-package.ts';
import { ensureDockerRegistry } from '../test/support/packages/docker-registry.ts';
import { ensurePrometheus } from '../test/support/packages/prometheus.ts';
import { ensureTlsServer } from '../test/support/packages/tls-server.ts';
import { testProgram } from '../test/support/programs/test-program.ts';
import { buildVm, runInVm, type VmRun } from '../test/support/vm.ts';
import { toolchainOf } from './architectures.ts';
import { runMain, runScript, usageError } from './command-line.ts';
import { ensureInstalled } from './debian.ts';
import { cacheDirectory, repository } from './paths.ts';
import { SuiteOutputs } from './suite-output.ts';
import { type Build, type Fetch, type Need, type Suite, suites } from './suites.ts';
import { type Failure, type Results, TapCount } from './tap.ts';

/**
 * `npm test [SUITE…]`, `npm test SUITE FILE…`: everything the tests need, then the suites, then a line
 * `N passed, N failed` that counts the tests that ran. FILEs replace those of the one suite named; they are
 * known by their names, since npm keeps the `--` to itself.
 *
 * Tests wait a lot: one suite on the machine runs beside one in the VM, as soon as what it needs is there. More at once keep
 * each other from their limits. What takes all of the machine runs last.
 */

/** Debian's packages that the tests themselves call, beside what their own set-up fetches. */
const packages = [
  'skopeo',
  'umoci',
  'openssl',
  'util-linux',
  'procps',
  'iproute2',
  'tar',
  'zstd',
  'attr',
  'gcc',
  'libc6-dev',
  'strace',
  'psmisc',
  // For what people have at a terminal: manual pages and completions.
  'mandoc',
  'shellcheck',
  'zsh',
  'fish',
];

/** Quietly: a line says that it is done. What takes long, and what fails, is on stderr. */
const build = (script: string, argv: readonly string[]) => runScript(script, argv, 'ignore');

/** What comes from the archive as it is; the rest takes CPUs. One process opens one private apt at a time. */
const fetches: Readonly<Record<Fetch, () => Promise<unknown>>> = {
  vm: buildVm,
  glusterServer: ensureServerRootfs,
  dockerRegistry: ensureDockerRegistry,
  cosign: ensureCosign,
  dpkgForVm: ensureDpkgForVm,
  prometheus: ensurePrometheus,
  tlsServer: ensureTlsServer,
  containerRuntime: ensureContainerRuntime,
  containerRuntimeForVm: ensureRuntimeForVm,
};

const builds: Readonly<Record<Build, () => Promise<unknown>>> = {
  build: () => build('build.ts', []),
  arm64: async () => {
    await ensureInstalled(toolchainOf('arm64').packages);
    await build('build.ts', ['--architecture', 'arm64']);
    await build('rootfs.ts', ['--architecture', 'arm64', '--allow-newer']);
  },
  // An old checkout's pins may be gone from the archive; its tests are to run all the same.
  rootfs: () => build('rootfs.ts', ['--allow-newer']),
  smbRootfs: ensureSmbRootfs,
  nodeAgentImage: () => build('image.ts', ['--allow-newer', '--quick', '--only=mounter-node-agent']),
  // Reads what has been built.
  imagesForVm: async () => (await import('../test/support/fleet/systemd/archives.ts')).writeArchives(),
  // The test VM has no compiler.
  testPrograms: () => Promise.all(['callers', 'slow-helper'].map(testProgram)),
};

async function main(words: readonly string[]): Promise<number> {
  const { chosen, files } = choose(words);
  await ensureInstalled(packages);
  let passed = 0;
  const failures: Failure[] = [];
  const needs = chosen.flatMap((suite) => suite.needs);
  const needed = new Map([...prepareInTurn(needs, builds), ...prepareInTurn(needs, fetches)]);
  const run = async (suite: Suite): Promise<void> => {
    await Promise.all(suite.needs.map((need) => needed.get(need)));
    const tap = await runSuite(files.length === 0 ? suite : { ...suite, files });
    passed += tap.passed;
    failures.push(...tap.failures);
  };
  const inPlace = (place: Suite['place']) =>
    inTurn(
      chosen.filter((suite) => suite.place === place && !suite.isAlone),
      run,
    );
  await Promise.all([inPlace('machine'), inPlace('vm')]);
  await inTurn(
    chosen.filter(({ isAlone }) => isAlone),
    run,
  );
  for (const { title, details } of failures) console.log([`# failed: ${title}`, ...details].join('\n# '));
  console.log(`${passed} passed, ${failures.length} failed`);
  return failures.length === 0 ? 0 : 1;
}

/** @throws MounterError (usage) for a word that is no suite, and for files of none or of several. */
function choose(words: readonly string[]): {
  readonly chosen: readonly Suite[];
  readonly files: readonly string[];
} {
  const names = words.filter((word) => !isFile(word));
  const files = words.filter(isFile);
  const chosen = suites.filter(({ name, isForRelease }) =>
    names.length === 0 ? isForRelease !== true : names.includes(name),
  );
  const unknown = names.find((name) => !suites.some((suite) => suite.name === name));
  if (unknown !== undefined) throw usageError(unknown, 'no such suite');
  if (files.length > 0 && chosen.length !== 1)
    throw usageError(files[0] ?? '', 'needs the one suite that it is of');
  return { chosen, files };
}

async function inTurn<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  for (const item of items) await action(item);
}

/** One of `preparations` after the other, in the order in which they are needed first: most take a lock of apt. */
function prepareInTurn(
  needs: readonly Need[],
  preparations: Partial<Readonly<Record<Need, () => Promise<unknown>>>>,
): ReadonlyMap<Need, Promise<void>> {
  const started = new Map<Need, Promise<void>>();
  let last: Promise<void> = Promise.resolve();
  for (const need of new Set(needs)) {
    const prepare = preparations[need];
    if (prepare === undefined) continue;
    last = last.then(async () => {
      const start = performance.now();
      await prepare();
      console.log(`# prepare: ${need}: ${secondsSince(start)} s`);
    });
    // Whoever needs it hears of a failure; nobody else may be told of it twice.
    last.catch(() => {});
    started.set(need, last);
  }
  return started;
}

function isFile(word: string): boolean {
  return word.endsWith('.ts');
}

function secondsSince(start: number): string {
  return ((performance.now() - start) / 1000).toFixed(1);
}

const outputs = new SuiteOutputs((text) => process.stdout.write(text));
process.on('exit', () => outputs.flushAll());

async function runSuite(suite: Suite): Promise<Results> {
  console.log(`# ${suite.name}: ${suite.about}, usually ${suite.minutes} min`);
  const start = performance.now();
  const output = outputs.open();
  const tap = new TapCount();
  const onOutput = (text: string) => {
    output.write(text);
    tap.add(text);
  };
  const status = suite.place === 'vm' ? await runInGuest(suite, onOutput) : await runHere(suite, onOutput);
  const { passed, failures: found } = tap.end(status);
  const failures = found.map(({ title, details }) => ({ title: `${suite.name}: ${title}`, details }));
  output.write(
    `# ${suite.name}: ${secondsSince(start)} s\n# ${suite.name}: ${passed} passed, ${failures.length} failed\n`,
  );
  output.end();
  return { passed, failures };
}

/**
 * Files at once: tests wait a lot, and the VM takes a CPU. Those of a file that need a node run in turn: dozens at once
 * keep none of their limits.
 */
const concurrency = 2 * availableParallelism();

async function runHere(
  { files, isSerial, environment }: Suite,
  onOutput: (text: string) => void,
): Promise<number | undefined> {
  const run = execa(
    process.execPath,
    [
      `${repository}/node_modules/ava/entrypoints/cli.js`,
      '--tap',
      '--node-arguments=--disable-warning=ExperimentalWarning',
      ...(isSerial ? ['--serial', '--concurrency=1'] : [`--concurrency=${concurrency}`]),
      ...files,
    ],
    {
      cwd: repository,
      stdio: ['ignore', 'pipe', 'inherit'],
      buffer: false,
      reject: false,
      env: { ...environment, NODE_COMPILE_CACHE: `${cacheDirectory}/node-compile-cache` },
    },
  );
  run.stdout.setEncoding('utf8').on('data', onOutput);
  return (await run).exitCode;
}

/** One test at a time: the guest has one CPU, and its tests share one network and one rpcbind. */
async function runInGuest(
  { files, init, environment }: Suite,
  onOutput: (text: string) => void,
): Promise<number | undefined> {
  const ava = ['node', '/host/node_modules/ava/entrypoints/cli.js', '--tap', '--serial', '--concurrency=1'];
  const run: VmRun =
    init === undefined
      ? { command: [...ava, ...files] }
      : {
          command: ['bash', '-c', `exec ${ava.join(' ')} "\${!BOOT}"`, 'ava', ...files],
          init,
          boots: files.length,
        };
  const result = await runInVm({
    ...run,
    environment: { ...environment, NODE_COMPILE_CACHE: '/dev/shm/node-compile-cache' },
    timeoutSeconds: 3600,
    memoryMegabytes: 2048,
    onOutput,
  });
  if (result.status === undefined) onOutput(result.console);
  return result.status;
}

await runMain({
  name: 'test',
  operands: '[SUITE…|FILE…]',
  usage: ['[SUITE…]', 'SUITE FILE…'],
  flags: {},
  needsRoot: true,
  manual: [
    `Builds what the tests need, and runs all suites that are not for a release, or those named; FILEs in the place of
    those of one suite. As root, on Debian; what is missing of its packages is installed. The suites are`,
    [...suites.map(({ name, about }) => [name, about] as const)],
  ],
  examples: ['npm test', 'npm test unit system', 'npm test unit test/unit/nearest.test.ts'],
  run: ({ operands }) => main(operands),
});
