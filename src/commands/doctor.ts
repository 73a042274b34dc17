import { coloured, shortened, table, terminalWidth, wrapped } from '../columns.ts';
import type { Finding } from '../doctor/finding.ts';
import type { Examination, Verdict } from '../doctor/verdict.ts';
import { printable } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { jsonOutput } from '../json.ts';
import { requireRoot } from '../node/node.ts';
import { defineCommand, wideText } from './command.ts';

export const doctor = defineCommand({
  name: 'doctor',
  summary: 'what is wrong with this node, and what to do about it; status 1 when a mount would fail',
  flags: {
    '--json': 'the findings for programs',
    '--wide': wideText,
    '--repair': 'first do what prepare does, and unmount what is mounted twice on one target',
  },
  manual: [
    `Examines the node and says one line for each finding: ok, warning or failing, and what to do. It looks at
    the rootfs and its helpers, the kernel, devices, mounts and their propagation, duplicate mounts, fs.mount-max,
    free space, lock services, what Kerberos and TLS take, name servers, each mounted volume, volumes of Pods that are gone, and the failures
    of the last hour. Nothing that hangs holds it up: it ends within 5 s. It changes nothing. Unlike mounter
    status it reads the whole rootfs and tries its programs each time, so that it also sees what a disk has lost.`,
    `Exit status 1 when a mount would fail, 0 when not; a type of filesystem that the kernel does not have is a
    warning where it has another one. mounter status, its metrics and the readiness of the node agent have this same
    verdict. Where the mounter is turned off it says so first, and looks at the volumes alone.`,
  ],
  examples: ['mounter doctor', 'mounter doctor --json', 'mounter doctor --repair'],
  changesNode: (argv) => argv.includes('--repair'),
  run: async (flags, { layout, host, output }) => {
    const { runBounded } = await import('../host/run-bounded.ts');
    if (flags.has('repair')) {
      requireRoot(host, 'repairing the node');
      const { repair } = await import('../doctor/repair.ts');
      for (const line of await repair(host, layout, runBounded)) output.err(`${printable(line)}\n`);
    }
    const { examine } = await import('../doctor/examination.ts');
    const { verdictWords } = await import('../doctor/verdict.ts');
    const examination = await examine(host, layout, runBounded, 'all');
    output.out(
      flags.has('json')
        ? jsonOutput(forPrograms(examination))
        : forPeople(examination, verdictWords(examination), terminalWidth(flags.has('wide'))),
    );
    return examination.node === 'failing' ? exitCode.usage : exitCode.success;
  },
});

/** What `--json` prints. */
export interface DoctorJson {
  readonly isEnabled: boolean;
  readonly wouldMount: boolean;
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
}

function forPrograms({ findings, ...verdict }: Examination): DoctorJson {
  const isEnabled = !findings.some(({ check }) => check === 'off');
  return { isEnabled, wouldMount: verdict.node === 'ready', verdict, findings };
}

const levelColours = { ok: 'green', warning: 'yellow', failing: 'red' } as const;
const verdictColours = { ready: 'green', failing: 'red', off: 'yellow' } as const;

/** Of what is in order, at a terminal of the usual width; of a narrower one what is left beside the other columns. */
const longestSubject = 50;
const besideSubject = 24;

function forPeople({ findings, node }: Examination, verdict: string, width: number | undefined): string {
  const rows = findings.map(({ level, check, subject, message, hint }) => {
    // What is to be done stays whole, to be copied.
    const longest = Math.min(longestSubject, (width ?? 0) - besideSubject);
    const shown = width !== undefined && level === 'ok' ? shortened(subject, longest) : subject;
    return [level, check, `${shown}: ${message}${hint === null ? '' : `; ${hint}`}`];
  });
  const count = (wanted: Finding['level']) => findings.filter(({ level }) => level === wanted).length;
  const counts = `${count('failing')} failing, ${count('warning')} to be seen to, ${count('ok')} ok`;
  // Who is called at night for what this does not explain, hands it on.
  const isUnsolved = findings.some(
    ({ level, check }) => level === 'failing' || (level === 'warning' && check === 'failures'),
  );
  const more = isUnsolved ? ['for whoever helps, mounter report FILE has all of it in one page'] : [];
  const colourOf = (cell: string, column: number) =>
    column === 0 ? levelColours[cell as Finding['level']] : undefined;
  const isNarrow = width !== undefined && `${verdict}: ${counts}`.length > width;
  const verdictLines = isNarrow
    ? [...wrapped(`${verdict}:`, width).map((line) => coloured(line, verdictColours[node])), counts]
    : [`${coloured(verdict, verdictColours[node])}: ${counts}`];
  const last = [...verdictLines, ...more.flatMap((line) => wrapped(line, width))];
  return `${table(rows, width, { colourOf })}${last.join('\n')}\n`;
}
