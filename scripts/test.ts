import { execa } from 'execa';
import minimist from 'minimist';
import { ensureServerRootfs } from '../test/support/gluster/gluster-server.ts';
import { ensureContainerRuntime, ensureRuntimeForVm } from '../test/support/packages/container-runtime.ts';
import { ensureDockerRegistry } from '../test/support/packages/docker-registry.ts';
import { testProgram } from '../test/support/programs/test-program.ts';
import { buildVm, runInVm, type VmRun } from '../test/support/vm.ts';
import { ensureInstalled } from './debian.ts';
import { repository } from './paths.ts';
import { type Suite, suites } from './suites.ts';
import { TapCount } from './tap.ts';

/**
 * `npm test [SUITE…] [-- FILE…]`: everything the tests need, then the suites, then a line
 * `N passed, N failed` that counts the tests that ran. FILEs replace those of the one suite named; they are
 * known by their names, since npm keeps the `--` to itself.
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
];

interface Count {
  readonly passed: number;
  readonly failed: number;
}

const preparations: Readonly<Record<Suite['needs'][number], () => Promise<unknown>>> = {
  build: () => runScript('build.ts'),
  // An old checkout's pins may be gone from the archive; its tests are to run all the same.
  rootfs: () => runScript('rootfs.ts', '--allow-newer'),
  nodeAgentImage: () => runScript('image.ts', '--allow-newer', '--only=mounter-node-agent'),
  vm: buildVm,
  glusterServer: ensureServerRootfs,
  dockerRegistry: ensureDockerRegistry,
  containerRuntime: ensureContainerRuntime,
  containerRuntimeInVm: async () => {
    await ensureRuntimeForVm();
    // Reads what has been built.
    await (await import('../test/support/fleet/systemd/archives.ts')).writeArchives();
  },
  // The test VM has no compiler.
  testPrograms: () => Promise.all(['callers', 'slow-helper'].map(testProgram)),
};

async function main(argv: readonly string[]): Promise<number> {
  const { _: words, '--': rest = [] } = minimist([...argv], { string: ['_'], '--': true });
  const names = words.filter((word) => !isFile(word));
  const files = [...words.filter(isFile), ...rest];
  const chosen = suites.filter(({ name }) => names.length === 0 || names.includes(name));
  const unknown = names.find((name) => !suites.some((suite) => suite.name === name));
  if (unknown !== undefined || (files.length > 0 && chosen.length !== 1)) {
    console.error(`usage: npm test [${suites.map(({ name }) => name).join('|')}]… [-- FILE…]`);
    return 1;
  }
  await ensureInstalled(packages);
  for (const need of new Set(chosen.flatMap(({ needs }) => needs)))
    await timed(`prepare: ${need}`, preparations[need]);
  const total = { passed: 0, failed: 0 };
  for (const suite of chosen) {
    const { passed, failed } = await timed(suite.name, () =>
      runSuite(files.length === 0 ? suite : { ...suite, files }),
    );
    console.log(`# ${suite.name}: ${passed} passed, ${failed} failed`);
    total.passed += passed;
    total.failed += failed;
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0 ? 0 : 1;
}

function isFile(word: string): boolean {
  return word.endsWith('.ts');
}

async function timed<T>(what: string, action: () => Promise<T>): Promise<T> {
  const start = performance.now();
  try {
    return await action();
  } finally {
    console.log(`# ${what}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  }
}

async function runScript(name: string, ...args: readonly string[]): Promise<void> {
  await execa(process.execPath, [`${repository}/scripts/${name}`, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

async function runSuite(suite: Suite): Promise<Count> {
  const tap = new TapCount();
  const onOutput = (text: string) => {
    process.stdout.write(text);
    tap.add(text);
  };
  const status = suite.place === 'vm' ? await runInGuest(suite, onOutput) : await runHere(suite, onOutput);
  return tap.end(status);
}

async function runHere(
  { files, isSerial }: Suite,
  onOutput: (text: string) => void,
): Promise<number | undefined> {
  const run = execa(
    process.execPath,
    [
      `${repository}/node_modules/ava/entrypoints/cli.js`,
      '--tap',
      ...(isSerial ? ['--serial', '--concurrency=1'] : []),
      ...files,
    ],
    {
      cwd: repository,
      stdio: ['ignore', 'pipe', 'inherit'],
      buffer: false,
      reject: false,
    },
  );
  run.stdout.setEncoding('utf8').on('data', onOutput);
  return (await run).exitCode;
}

/** One test at a time: the guest has one CPU, and its tests share one network and one rpcbind. */
async function runInGuest(
  { files, init }: Suite,
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
  const result = await runInVm({ ...run, timeoutSeconds: 2400, memoryMegabytes: 2048, onOutput });
  if (result.status === undefined) console.log(result.console);
  return result.status;
}

process.exitCode = await main(process.argv.slice(2));
