import type { ExecutionContext, TestFn } from 'ava';
import { shellWord } from '../../../src/shell-word.ts';

/** A hint that was printed, and what an operator does who takes it at its word. */
export interface HintRow {
  /** How the node, the server or the call is broken. */
  readonly title: string;
  /** What breaks it, before the call: a script on the node, or more. */
  readonly broken?: string | (() => Promise<unknown>);
  /** What differs from a mount that works. */
  readonly call: Partial<MountCall>;
  /** How the call ends; with any failure if left out. */
  readonly ends?: { readonly status: number; readonly says?: RegExp };
  /** The hint that is expected, whole; its groups are what is taken from it: commands, options, sources. */
  readonly hint: RegExp;
  /** How it is followed. Afterwards the same call works, as it was changed. */
  readonly follow: readonly Step[];
  /** What is taken back for the next row, whatever came of this one. */
  readonly after?: string | (() => Promise<unknown>);
}

export interface MountCall {
  readonly type: string;
  readonly options: string;
  readonly source: string;
  readonly target: string;
  /** What is called with `-t TYPE -o OPTIONS SOURCE TARGET`. */
  readonly program: string;
}

/** Where the rows break something. */
export interface HintNode {
  /** Runs a script with bash as an operator does, with the mounter in PATH; its stdout and stderr in one. */
  run(script: string): Promise<{ readonly status: number; readonly output: string }>;
  newTarget(): Promise<string>;
  /** Whether something is mounted there, on the host. */
  isMounted(target: string): Promise<boolean>;
}

/** The row as it is carried out. */
export class Situation {
  readonly t: ExecutionContext;
  readonly node: HintNode;
  call: MountCall;
  /** What the last expression found in what was printed. */
  groups: readonly string[] = [];

  constructor(t: ExecutionContext, node: HintNode, call: MountCall) {
    this.t = t;
    this.node = node;
    this.call = call;
  }

  /** The call is another from now on. */
  change(call: Partial<MountCall>): void {
    this.call = { ...this.call, ...call };
  }

  /** What the operator has made of the hint: the first group from now on. */
  read(text: string): void {
    this.groups = [text, text];
  }
}

export type Step = (situation: Situation) => Promise<unknown>;

/** Placeholders of a hint, such as ADDRESS, and what the operator knows to write there. */
type Filled = Readonly<Record<string, string>>;

/** A group of the hint, its placeholders filled. A placeholder that is not in it is no hint's. */
export function told({ t, groups }: Situation, group = 1, filled: Filled = {}): string {
  return Object.entries(filled).reduce((text, [placeholder, value]) => {
    t.true(text.includes(placeholder), `${text}: there is no ${placeholder} in it`);
    return text.replace(placeholder, value);
  }, groups[group] ?? '');
}

/** The command of the hint is run on the node, and succeeds. */
export function run(group = 1, filled: Filled = {}): Step {
  return async (situation) => {
    const command = told(situation, group, filled);
    const { status, output } = await situation.node.run(command);
    situation.t.is(status, 0, `${command}: ${output}`);
  };
}

/** The command is run, and what it prints says what to do next: `next` is found in it. */
export function see(next: RegExp, group = 1, filled: Filled = {}): Step {
  return async (situation) => {
    const command = told(situation, group, filled);
    const { output } = await situation.node.run(command);
    situation.groups = found(situation.t, output, next, command);
  };
}

/** The command is run by the administrator of the server. */
export function onServer(
  server: { run(...argv: readonly [string, ...string[]]): Promise<string> },
  group = 1,
  filled: Filled = {},
): Step {
  return (situation) => server.run('bash', '-c', told(situation, group, filled));
}

/** What needs more than a command: somebody acts as the hint says in words. */
export function act(action: (situation: Situation) => Promise<unknown>): Step {
  return action;
}

/** The option of the hint, or all of its name, is taken out of those of the mount. */
export function takeOut(group = 1): Step {
  return async (situation) => {
    const named = told(situation, group);
    const before = situation.call.options.split(',');
    const options = before.filter((option) => option !== named && option.split('=')[0] !== named);
    situation.t.is(options.length, before.length - 1, `${named} is one of ${before}`);
    situation.change({ options: options.join(',') });
  };
}

/** The option of the hint is given in the place of others of its name, if any. */
export function give(group = 1, filled: Filled = {}): Step {
  return async (situation) => {
    const option = told(situation, group, filled);
    const name = option.split('=')[0];
    const others = situation.call.options.split(',').filter((other) => other.split('=')[0] !== name);
    situation.change({ options: [...others, option].filter(Boolean).join(',') });
  };
}

/** The word of the hint, as a shell reads it, is the source, the target or the type from now on. */
export function name(what: 'source' | 'target' | 'type', group = 1, filled: Filled = {}): Step {
  return async (situation) => {
    const { output } = await situation.node.run(`printf %s ${told(situation, group, filled)}`);
    situation.change({ [what]: output });
  };
}

/** A test for each row: broken, told, followed, mended. */
export function followHints(
  test: TestFn,
  node: HintNode,
  usual: Omit<MountCall, 'target'>,
  rows: readonly HintRow[],
): void {
  const count = { hints: rows.length, followed: 0, cured: 0 };
  for (const row of rows)
    test.serial(row.title, async (t) => {
      const situation = await begin(t, node, usual, row);
      try {
        const { status, output } = await mount(situation);
        t.not(status, 0, 'it is broken');
        t.is(status, row.ends?.status ?? status, output);
        t.regex(output, row.ends?.says ?? /^/);
        situation.groups = found(t, output.split(/^hint: /m)[1] ?? '', row.hint, output);
        for (const step of row.follow) await step(situation);
        count.followed += 1;
        await works(situation);
        count.cured += 1;
      } finally {
        await node.run(`umount ${shellWord(situation.call.target)} 2>/dev/null`);
        await doIt(node, row.after);
      }
    });
  test.serial(`each of ${rows.length} hints was followed, and cured`, (t) => {
    t.log(`${count.hints} hints, ${count.followed} followed, ${count.cured} cured`);
    t.deepEqual(count, { hints: rows.length, followed: rows.length, cured: rows.length });
  });
}

async function begin(
  t: ExecutionContext,
  node: HintNode,
  usual: Omit<MountCall, 'target'>,
  { broken, call }: HintRow,
): Promise<Situation> {
  const target = call.target ?? (await node.newTarget());
  await doIt(node, broken);
  return new Situation(t, node, { ...usual, ...call, target });
}

async function doIt(node: HintNode, action: HintRow['broken']): Promise<void> {
  if (typeof action === 'function') await action();
  else if (action !== undefined) {
    const { status, output } = await node.run(`set -eu\n${action}`);
    if (status !== 0) throw new Error(output);
  }
}

function found(t: ExecutionContext, text: string, wanted: RegExp, all: string): readonly string[] {
  const groups = wanted.exec(text);
  t.truthy(groups, `${wanted} is not in: ${all}\n${text}`);
  return [...(groups ?? [])].map((group) => group ?? '');
}

function mount({ node, call }: Situation) {
  const { program, type, options, source, target } = call;
  const words = ['-t', type, ...(options === '' ? [] : ['-o', options]), source, target];
  return node.run(`${program} ${words.map(shellWord).join(' ')}`);
}

/** What another call has found is remembered for some seconds: kubelet, too, is told so, and tries again. */
async function works(situation: Situation): Promise<void> {
  const { t, node, call } = situation;
  let ran = await mount(situation);
  while (/\(found \S+ s ago by another call\)/.test(ran.output)) {
    await node.run('sleep 1');
    ran = await mount(situation);
  }
  t.is(ran.status, 0, ran.output);
  t.true(await node.isMounted(call.target));
}

/** For a hint whose groups are `mounter install SOURCE` and the command that shows which that is. */
export async function installWhatIsShown(situation: Situation): Promise<void> {
  const { output } = await situation.node.run(told(situation, 2));
  const SOURCE = /^current .* (\S+)$/m.exec(output)?.[1] ?? output;
  await run(1, { SOURCE })(situation);
}
