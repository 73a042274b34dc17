import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { writeAtomically } from '../host/replace.ts';
import { isErrnoException } from '../host/system-error.ts';
import { outcomePath, scratchDirectory } from './places.ts';

/**
 * What the agent says of its node, and how the readiness probe reads it: a file, and a script for the smallest of
 * shells. The agent alone judges; a probe that asked the host itself would cost more than all else the agent does.
 */

/** Whether the node is what it is meant to be, and why: what comes first is the first that an event shows. */
export interface Outcome {
  readonly isReady: boolean;
  readonly text: string;
  /** It is doctor's verdict, which other things than the agent's work can change: it is asked again now and then. */
  readonly isExamined?: true;
}

/** An agent that says nothing for longer than this hangs. */
const validSeconds = 120;

/** The file is in a volume of the Pod, and would still say what an earlier container has found. */
export function forgetOutcome(): void {
  rmSync(outcomePath, { force: true });
}

/**
 * The first line says who wrote it, until when it counts, and the probe's status; the others are for people. What cannot
 * be written ends nothing: the one before counts no more after a while.
 */
export function writeOutcome({ isReady, text }: Outcome): void {
  const until = Math.floor(uptimeSeconds()) + validSeconds;
  const head = `${process.pid} ${startTime()} ${until} ${isReady ? 0 : 1}`;
  try {
    mkdirSync(scratchDirectory, { recursive: true });
    writeAtomically(outcomePath, `${head}\n${text.trimEnd()}\n`, 0o644);
  } catch (error) {
    if (!isErrnoException(error)) throw error;
  }
}

function uptimeSeconds(): number {
  return Number.parseFloat(readFileSync('/proc/uptime', 'utf8'));
}

/** Field 22 of proc_pid_stat(5): no two processes of one number have the same. */
function startTime(): string {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  return stat.slice(stat.lastIndexOf(') ') + 2).split(' ')[19] ?? '';
}

/** For dash, without any other program. */
export const probeScript = `# Whether this node is ready, by what the agent last said. Written by npm run image.
if ! [ -r ${outcomePath} ]; then
  echo "the node agent has not ended its first round: see the log of this container"
  exit 1
fi
text=
{
  read -r pid started until status
  while IFS= read -r line; do text="$text$line
"; done
} <${outcomePath}
read -r uptime rest </proc/uptime
stat=
{ read -r stat </proc/$pid/stat; } 2>/dev/null
set -- \${stat##*) }
if [ "\${20}" != "$started" ]; then
  echo "the node agent has ended or was started anew, and has not ended a round since: see the log of this container"
  exit 1
fi
if [ "\${uptime%%.*}" -gt "$until" ]; then
  echo "the node agent hangs: it has not looked at this node for $((\${uptime%%.*} - until + ${validSeconds})) s"
  exit 1
fi
printf %s "$text"
exit "$status"
`;
