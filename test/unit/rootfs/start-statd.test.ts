import test from 'ava';
import { execa } from 'execa';
import { startStatdScript } from '../../../src/rootfs/start-statd.ts';
import { manifest } from '../../fixtures/node-model.ts';

/** sh's opinion of the script. */
async function syntaxErrors(script: string): Promise<string> {
  return (await execa('sh', ['-n'], { input: script, reject: false, all: true })).all;
}

test('the script of the manifest that ships is shell', async (t) => {
  const script = startStatdScript(manifest);
  t.is(await syntaxErrors(script), '');
  t.regex(script, /^'\/sbin\/rpc\.statd' '--no-notify' 9>&-/m);
});

test('paths and arguments are words, whatever is in them', async (t) => {
  const path = `/sbin/it's "$HOME" \`id\` \\ x`;
  const hostile = { path, arguments: [`'; exit 9; '`, '', '*'] };
  const script = startStatdScript({
    ...manifest,
    daemons: { ...manifest.daemons, rpcbind: hostile, statd: hostile },
  });
  t.is(await syntaxErrors(script), '');
  const call = script.split('\n').find((line) => line.includes('9>&- </dev/null')) ?? '';
  const words = call.trim().replace(/ 9>&-.*/, '');
  const { stdout } = await execa('sh', ['-c', `printf '[%s]' ${words}`]);
  t.is(stdout, [path, ...hostile.arguments].map((word) => `[${word}]`).join(''));
});

test('the limit is whole seconds', async (t) => {
  const script = startStatdScript({ ...manifest, limits: { ...manifest.limits, daemonSeconds: 0.3 } });
  t.is(await syntaxErrors(script), '');
  t.regex(script, /flock -w 1 9/);
});
