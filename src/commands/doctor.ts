import { table, terminalWidth } from '../columns.ts';
import type { Finding } from '../doctor/finding.ts';
import { exitCode } from '../exit-codes.ts';
import { requireRoot } from '../node/node.ts';
import { defineCommand } from './command.ts';

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'what is wrong with this node, and what to do about it; status 1 when a mount would fail',
  flags: {
    '--json': 'the findings for programs',
    '--repair': 'first do what prepare does, and unmount what is mounted twice on one target',
  },
  manual: [
    `Examines the node and says one line for each finding: ok, warning or failing, and what to do. It looks at
    the rootfs and its helpers, the kernel, devices, mounts and their propagation, duplicate mounts, fs.mount-max,
    free space, lock services, name servers, each mounted volume, volumes of Pods that are gone, and the failures
    of the last hour. Nothing that hangs holds it up: it ends within 5 s. It changes nothing.`,
    `Exit status 1 when a mount would fail, 0 when not. Where the manifest turns the mounter off it says so first, and
    looks at the volumes alone.`,
  ],
  examples: ['mounter doctor', 'mounter doctor --json', 'mounter doctor --repair'],
  changesNode: (argv) => argv.includes('--repair'),
  run: async (flags, { layout, host, output }) => {
    const { runBounded } = await import('../host/run-bounded.ts');
    if (flags.has('repair')) {
      requireRoot(host, 'repairing the node');
      const { repair } = await import('../doctor/repair.ts');
      for (const line of await repair(host, layout, runBounded)) output.err(`${line}\n`);
    }
    const { examine } = await import('../doctor/examination.ts');
    const findings = await examine(host, layout, runBounded);
    const isFailing = findings.some(({ level }) => level === 'failing');
    output.out(flags.has('json') ? asJson(findings, isFailing) : forPeople(findings));
    return isFailing ? exitCode.usage : exitCode.success;
  },
});

function asJson(findings: readonly Finding[], isFailing: boolean): string {
  const isEnabled = !findings.some(({ check }) => check === 'off');
  return `${JSON.stringify({ isEnabled, wouldMount: isEnabled && !isFailing, findings }, undefined, 2)}\n`;
}

function forPeople(findings: readonly Finding[]): string {
  const rows = findings.map(({ level, check, subject, message, hint }) => [
    level,
    check,
    `${subject}: ${message}${hint === null ? '' : `; ${hint}`}`,
  ]);
  return `${table(rows, terminalWidth())}${summary(findings)}\n`;
}

function summary(findings: readonly Finding[]): string {
  const count = (wanted: Finding['level']) => findings.filter(({ level }) => level === wanted).length;
  const isOff = findings.some(({ check }) => check === 'off');
  const verdict = isOff ? 'turned off' : count('failing') > 0 ? 'a mount would fail' : 'a mount can work';
  return `${verdict}: ${count('failing')} failing, ${count('warning')} to be seen to, ${count('ok')} ok`;
}
