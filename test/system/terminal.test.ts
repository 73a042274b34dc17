import test from 'ava';
import { distDirectory } from '../../scripts/paths.ts';
import { installedMounter, kubeletDirectory, ScratchNode } from '../support/node/namespace.ts';
import { Terminal } from '../support/terminal/terminal.ts';

/** What people see at terminals of several widths, and programs in pipes. */

const pod =
  '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0/volumes/kubernetes.io~nfs/pvc-11112222-3333-4444-5555-666677778888';

async function seen(
  node: ScratchNode,
  words: string,
  columns: number,
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const command = `exec nsenter ${node.enter.join(' ')} ${installedMounter} ${words}`;
  await using terminal = new Terminal(command, environment, columns);
  return await terminal.all();
}

/** The lines that a terminal would break, but for words that fit in no line: paths in hints, which are to be copied. */
function broken(screen: string, columns: number): readonly string[] {
  const lines = screen.replace(/\x1b\[\d+m/g, '').split('\n');
  return lines.filter((line) => line.length > columns && (/\S+$/.exec(line)?.[0].length ?? 0) < columns - 23);
}

test.serial(
  'tables fit the terminal, whole with --wide and in pipes; colours are for terminals that want them',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const target = await node.mountGlusterfs(pod);
    await node.mounter(
      'mount',
      '-t',
      'nfs',
      'server.example:/a/long/name/of/an/export',
      `${kubeletDirectory}/${pod}`,
    );
    for (const words of ['status', 'doctor', 'log', 'versions']) {
      const { stdout: piped } = await node.mounter(words);
      t.notRegex(piped, /\x1b|…/, words);
      for (const columns of [60, 80, 100, 132, 200]) {
        const screen = await seen(node, words, columns, { NO_COLOR: '1' });
        t.deepEqual(broken(screen, columns), [], `${words} at ${columns}`);
        t.notRegex(screen, /\x1b/, words);
      }
      t.true((await seen(node, words, 80)).includes('\x1b[32m'), `${words} has no colour`);
      t.notRegex(await seen(node, words, 80, { TERM: 'dumb' }), /\x1b/);
      t.notRegex(await seen(node, `${words} --wide`, 80), /…/, words);
    }
    const status = await seen(node, 'status', 80);
    t.regex(status, /^\x1b\[31mdead\x1b\[0m {2}.*\/var\S*…\S*666677778888$/m);
    t.regex(status, /^verdict +\x1b\[32mmounts would work.*\x1b\[0m$/m);
    t.regex(status, /^\x1b\[32mok\x1b\[0m +\/proc /m);
    t.true((await seen(node, 'status --wide', 80)).includes(target));
    t.true((await node.mustRun('log')).includes(`${kubeletDirectory}/${pod}`));
  },
);

test.serial(
  'how far an install is stands on one line that changes, where the terminal can do that',
  async (t) => {
    await using node = await ScratchNode.prepared();
    const install = (into: string, environment: Readonly<Record<string, string>>) =>
      seen(node, `install ${distDirectory}/rootfs.tar.zst --into /tmp/${into}`, 80, environment);
    t.regex(await install('one', {}), /\runpacked .*\x1b\[K/);
    const plain = await install('two', { TERM: 'dumb' });
    t.notRegex(plain, /\r|\x1b/);
    t.regex(plain, /^unpacked .* to \/tmp\/two$/m);
  },
);
