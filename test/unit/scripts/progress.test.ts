import test from 'ava';
import { execa } from 'execa';
import { repository } from '../../../scripts/paths.ts';

test('of two works one inside the other, the inner one is told, then the outer one again', async (t) => {
  const script = `Object.assign(process.stderr, { isTTY: true, columns: 80 });
    const { withProgress } = await import('${repository}/scripts/progress.ts');
    const slow = () => new Promise((resolve) => setTimeout(resolve, 3500, 42));
    console.log(await withProgress('outer', async () => (await withProgress('inner', slow)) + (await slow())));`;
  const { stderr, stdout } = await execa(process.execPath, ['--input-type=module', '--eval', script]);
  t.is(stdout, '84');
  const cleared = stderr.replaceAll('\x1b[K', '<clear>');
  t.regex(cleared, /^(\rinner: [2-9] s<clear>)+\r<clear>(\router: [2-9] s<clear>)+\r<clear>$/);
});
