import test from 'ava';
import { execa } from 'execa';
import { repository } from '../../../scripts/paths.ts';

test('of two works one inside the other, the inner one is told, then the outer one again', async (t) => {
  const script = `Object.assign(process.stderr, { isTTY: true, columns: 80 });
    const { withProgress } = await import('${repository}/scripts/progress.ts');
    const slow = () => new Promise((resolve) => setTimeout(resolve, 2500, 42));
    console.log(await withProgress('outer', async () => (await withProgress('inner', slow)) + (await slow())));`;
  const { stderr, stdout } = await execa(process.execPath, ['--input-type=module', '--eval', script]);
  t.is(stdout, '84');
  t.is(stderr, '\rinner: 2 s\x1b[K\r\x1b[K\router: 2 s\x1b[K\r\x1b[K');
});
