import { lstat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { withTimeout } from '../host/with-timeout.ts';
import { jsonOutput } from '../json.ts';
import { requireRoot } from '../node/node.ts';
import { defineCommand } from './command.ts';

export const report = defineCommand({
  name: 'report',
  summary: 'write all that is known of this node into one file, for a ticket or whoever helps',
  operands: 'FILE',
  flags: {
    '--json': 'the same for programs',
    '--anonymous': `addresses, and the names of hosts, volumes, Pods and paths, become pseudonyms: the same name has the same
      one throughout`,
    '--since TIME': 'calls from then on alone: 30m, 2h and 7d ago, or a time such as 2026-01-31T12:00:00Z',
  },
  manual: [
    `Writes one page of HTML that needs nothing else, no script and no network: the verdict of mounter doctor and what
    to do, volumes and their states, a timeline of the calls and why they failed, how long mounts took, lock and security services,
    versions, settings, and what changed lately. FILE is root's alone, and replaced at once; with - it goes to standard
    output.`,
    `Secrets are masked; read it before you give it away all the same. What is broken keeps nothing else from being
    shown, and nothing that hangs holds it up: it ends within 10 s. It is bounded, and says what it leaves out; mounter
    log --json has every call. Exit status 0 when it is written, whatever the state of the node.`,
  ],
  examples: ['mounter report /root/incident.html', 'mounter report --anonymous --since 2h - >incident.html'],
  run: async (flags, { layout, host, output }) => {
    requireRoot(host, 'looking at the node');
    const [file = '-'] = flags.operands;
    const sinceMs = parseSince(flags.value('since'), Date.now());
    if (file !== '-') await requireRegular(file);
    const { collectReport } = await import('../report/report.ts');
    const found = await collectReport({ host, layout }, { isAnonymous: flags.has('anonymous'), sinceMs });
    const text = flags.has('json') ? jsonOutput(found) : (await import('../report/page.ts')).page(found);
    if (file === '-') output.out(text);
    else {
      const { writeAmongOthers } = await import('../host/write-among-others.ts');
      writeAmongOthers(resolve(file), text, 0o600);
      output.out(`${file}: ${Math.ceil(text.length / 1000)} kB; read it before you give it away\n`);
    }
    return exitCode.success;
  },
});

/** A device, a pipe or a symlink of that name is something else that somebody wants kept. */
async function requireRegular(file: string): Promise<void> {
  const directory = dirname(resolve(file));
  const kinds = await withTimeout(Promise.all([file, directory].map(kindOf)), answerMs);
  if (kinds?.[0] === 'file' || (kinds?.[0] === undefined && kinds?.[1] !== undefined)) return;
  throw new MounterError(faultOf(kinds, directory), {
    subject: file,
    status: exitCode.usage,
    hint: 'name another file, such as mounter report /root/incident.html; - is standard output',
  });
}

/** A place that takes longer to answer lies on a server that is gone, perhaps the one that the report is about. */
const answerMs = 3000;

function faultOf(kinds: readonly unknown[] | undefined, directory: string): string {
  if (kinds === undefined) return `no answer from there within ${answerMs / 1000} s`;
  return kinds[0] === undefined
    ? `its directory ${directory} does not exist`
    : 'is there, and no regular file';
}

/** @returns undefined where nothing is. */
async function kindOf(path: string): Promise<'file' | 'other' | undefined> {
  try {
    return (await lstat(path)).isFile() ? 'file' : 'other';
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function parseSince(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const [, count = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  const ms = unit === '' ? Date.parse(text) : nowMs - Number(count) * (unitMs[unit] ?? 0);
  if (Number.isFinite(ms) && (unit !== '' || /^\d{4}-\d\d-\d\d/.test(text))) return ms;
  throw new MounterError('is no time', {
    subject: `--since ${text}`,
    status: exitCode.usage,
    hint: 'such as --since 2h, or --since 2026-01-31T12:00:00Z',
  });
}
