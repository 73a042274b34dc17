import test from 'ava';
import { execa } from 'execa';
import { repository } from '../../../scripts/paths.ts';

async function said(work: string): Promise<string> {
  const script = `import { stage } from '${repository}/scripts/stage.ts';
    console.log(await stage('thinking', '5 s', async () => ${work}));`;
  const { stderr, stdout } = await execa(process.execPath, ['--input-type=module', '--eval', script]);
  return `${stderr}|${stdout}`;
}

test('what is done at once says nothing', async (t) => {
  t.is(await said('42'), '|42');
});

test('what takes longer than 2 s says what it is, on stderr', async (t) => {
  const slow = 'new Promise((resolve) => setTimeout(resolve, 2500, 42))';
  t.is(await said(slow), '… thinking, usually 5 s|42');
});
