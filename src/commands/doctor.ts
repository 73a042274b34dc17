import { examine } from '../doctor/examination.ts';
import type { Finding } from '../doctor/finding.ts';
import { repair } from '../doctor/repair.ts';
import { exitCode } from '../exit-codes.ts';
import { runBounded } from '../host/run-bounded.ts';
import { requireRoot } from '../node/node.ts';
import type { CommandContext } from './context.ts';
import { parseFlags } from './flags.ts';
import { table } from './tables.ts';

/** `mounter doctor` @returns 1 when a mount would fail. */
export async function doctor(
  argv: readonly string[],
  { layout, host, output }: CommandContext,
): Promise<number> {
  const flags = parseFlags('doctor', argv, { boolean: ['json', 'repair'], string: [], operands: [0, 0] });
  if (flags.has('repair')) {
    requireRoot(host, 'repairing the node');
    for (const line of await repair(host, layout, runBounded)) output.err(`${line}\n`);
  }
  const findings = await examine(host, layout, runBounded);
  const isFailing = findings.some(({ level }) => level === 'failing');
  output.out(flags.has('json') ? asJson(findings, isFailing) : forPeople(findings));
  return isFailing ? exitCode.usage : exitCode.success;
}

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
  return `${table(rows)}${summary(findings)}\n`;
}

function summary(findings: readonly Finding[]): string {
  const count = (wanted: Finding['level']) => findings.filter(({ level }) => level === wanted).length;
  const isOff = findings.some(({ check }) => check === 'off');
  const verdict = isOff ? 'turned off' : count('failing') > 0 ? 'a mount would fail' : 'a mount can work';
  return `${verdict}: ${count('failing')} failing, ${count('warning')} to be seen to, ${count('ok')} ok`;
}
