import test from 'ava';
import { MounterError } from '../../../src/errors.ts';
import { parseMountArguments } from '../../../src/mount/arguments/argv.ts';
import { toMountRequest } from '../../../src/mount/arguments/request.ts';
import { generic } from '../../../src/mount/filesystems/generic.ts';
import { planWith } from '../../../src/mount/plan.ts';
import { runPlan } from '../../../src/mount/run.ts';
import { describePlan, planAsJson } from '../../../src/mount/show.ts';
import { attachNode, contextOf, layout, manifest, target } from '../../support/model/node-model.ts';

/** Of a driver whose helper takes a secret from its environment. */
const driver = { ...generic, helperSecrets: () => ({ PASSWORD: 'open sesame', PIN: '7' }) };
const helper = '/sbin/mount.other';
const filesystem = { kind: 'generic' as const, helper, kernelFilesystem: 'other', devices: [] };
const request = toMountRequest(parseMountArguments(['-t', 'other', '-o', 'ro', '//srv/x', target]));
const plan = planWith(driver, filesystem, request, manifest);

test('the plan that is shown names the variables, and tells no value', (t) => {
  t.regex(
    describePlan(plan),
    /run in the rootfs: PASSWORD=<masked> PIN=<masked> \/sbin\/mount\.other \/\/srv/,
  );
  const { steps } = JSON.parse(planAsJson(plan));
  t.like(
    steps.find(({ kind }: { kind: string }) => kind === 'runHelper'),
    { secrets: ['PASSWORD', 'PIN'] },
  );
  for (const text of [describePlan(plan), planAsJson(plan)]) t.false(text.includes('open sesame'));
});

test('the plan that is shown tells a terminal nothing, whatever a word of the call holds', (t) => {
  const words = ['-t', 'other', '-o', 'a\u009b2J', '//srv/\u202ex', target];
  const shown = describePlan(
    planWith(driver, filesystem, toMountRequest(parseMountArguments(words)), manifest),
  );
  t.regex(shown, /a\\x9b2J/);
  t.regex(shown, /\/\/srv\/\\u202ex/);
  t.notRegex(shown, /[\u0080-\u009f\u202e]/);
});

test('the helper has them, beside what each helper has, and what it says of them is masked', async (t) => {
  const host = attachNode();
  host.file(`${layout.rootfs}${helper}`, { isExecutable: true });
  host.onRun = () => ({ status: 32, output: 'mount.other: (open sesame) is wrong in 7 ways' });
  const error = await t.throwsAsync(runPlan(plan, contextOf(host)), { instanceOf: MounterError });
  t.is(error?.helperOutput, 'mount.other: (<masked>) is wrong in 7 ways');
  t.like(host.helpers[0]?.environment, { PASSWORD: 'open sesame', PIN: '7', LC_ALL: 'C' });
});
