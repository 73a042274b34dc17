import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { settingsAnswer } from '../node/settings.ts';
import type { CommandContext } from './context.ts';

/** `mounter manifest daemonset|cloud-init`: prints, and changes nothing. `settings` is what the front asks for. */
export async function manifest(
  argv: readonly string[],
  { host, layout, output }: CommandContext,
): Promise<number> {
  const [kind, ...rest] = argv;
  switch (kind) {
    case 'daemonset':
      output.out(await (await import('./manifest-daemonset.ts')).daemonSetText(rest));
      return exitCode.success;
    case 'cloud-init':
      output.out(await (await import('./manifest-cloud-init.ts')).cloudConfigText(rest));
      return exitCode.success;
    case 'settings':
      output.out(JSON.stringify(await settingsAnswer(host, layout)));
      return exitCode.success;
    default:
      throw new MounterError(kind === undefined ? 'which manifest is missing' : 'there is no such manifest', {
        subject: kind ?? 'manifest',
        status: exitCode.usage,
        hint: 'mounter manifest daemonset, or mounter manifest cloud-init; see mounter manifest --help',
      });
  }
}
