import { resolve } from 'node:path';
import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { untilInterrupted } from '../host/interruption.ts';
import { installVersion } from '../image/versions/install.ts';
import { extractInto } from '../image/versions/into.ts';
import { explicitManifest } from '../image/versions/manifest-choice.ts';
import { type Layout, layoutOf } from '../node/layout.ts';
import { requireRoot } from '../node/node.ts';
import { offFile } from '../node/off.ts';
import type { CommandContext } from './context.ts';
import { fetchProgress } from './fetch-progress.ts';
import { type Flags, parseFlags } from './flags.ts';
import { checkHelperFlags, helperFlags, installHelpers, isAboutHelpers } from './install-helpers.ts';
import { type FetchOptions, readSourceFlags, sourceFlags } from './source-flags.ts';

/** `mounter install SOURCE` */
export async function install(argv: readonly string[], context: CommandContext): Promise<number> {
  const flags = parseFlags('install', argv, {
    boolean: ['no-switch', ...helperFlags.boolean, ...sourceFlags.boolean],
    string: ['manifest', 'home', 'into', ...helperFlags.string, ...sourceFlags.string],
    operands: [isAboutHelpers(argv) ? 0 : 1, 1],
  });
  requireRoot(context.host, 'installing');
  if (flags.value('into') === undefined) checkHelperFlags(flags);
  if (flags.operands.length > 0) await installSource(flags, context);
  context.output.out(await installHelpers(flags, layoutFor(flags, context), context.host));
  return exitCode.success;
}

async function installSource(flags: Flags, context: CommandContext): Promise<void> {
  const progress = fetchProgress(context.output, terminal());
  const options = { ...readSourceFlags(flags), progress: progress.report };
  try {
    const isInto = flags.value('into') !== undefined;
    await untilInterrupted(() => (isInto ? extract : installRootfs)(flags, options, context));
  } finally {
    progress.end();
  }
}

function layoutFor(flags: Flags, context: CommandContext): Layout {
  const home = flags.value('home');
  return home === undefined ? context.layout : layoutOf(resolve(home), process.env.MOUNTER_MANIFEST);
}

async function installRootfs(flags: Flags, fetch: FetchOptions, context: CommandContext): Promise<void> {
  const [source = ''] = flags.operands;
  const layout = layoutFor(flags, context);
  const manifest = explicitManifest(source, flags.value('manifest'));
  const isToSwitch = !flags.has('no-switch');
  const installed = await installVersion({ source, fetch, manifest, isToSwitch }, { ...context, layout });
  const summary = `${installed.manifest.manifest.rootfs.name} ${installed.digest} in ${layout.home}`;
  const next = isToSwitch ? '' : `\nmounter rollback ${installed.digest} switches to it`;
  const text =
    installed.done.length === 0
      ? `installed already: ${summary}`
      : `${installed.done.join('\n')}\ninstalled ${summary}`;
  const file = offFile(context.host, layout);
  const off =
    file === undefined
      ? ''
      : `\nthe mounter is turned off on this node, by ${file}: mounter enable turns it on`;
  context.output.out(`${text}${next}${off}\n`);
}

async function extract(flags: Flags, fetch: FetchOptions, { output, host }: CommandContext): Promise<void> {
  const other =
    ['home', 'manifest', 'directory'].find((name) => flags.value(name) !== undefined) ??
    ['no-switch', ...helperFlags.boolean].find((name) => flags.has(name));
  if (other !== undefined) throw notWithInto(other);
  const [source = ''] = flags.operands;
  const into = flags.value('into') ?? '';
  const { digest, isReachable } = await extractInto({ source, fetch, directory: resolve(into) }, host);
  output.out(`unpacked ${source} (${digest}) to ${into}\n`);
  if (isReachable) output.err(reachable(source, into));
}

function reachable(source: string, into: string): string {
  return `mounter: ${into}: every user of this node can run its set-user-ID programs, and write to its /tmp\nhint: mounter install ${source} --into ${into}.d/image makes ${into}.d root's alone\n`;
}

function notWithInto(name: string): MounterError {
  return new MounterError('has no meaning with --into, which installs nothing', {
    subject: `--${name}`,
    status: exitCode.usage,
    hint: 'leave it out, or leave out --into; see mounter install --help',
  });
}

function terminal(): { readonly columns: number } | undefined {
  return process.stderr.isTTY ? { columns: process.stderr.columns || 80 } : undefined;
}
