import packageJson from '../../package.json' with { type: 'json' };
import { exitCode } from '../exit-codes.ts';
import type { CommandContext } from './context.ts';

/** `mounter --version` */
export async function version(_argv: readonly string[], { output }: CommandContext): Promise<number> {
  output.out(`mounter ${packageJson.version}\n`);
  return exitCode.success;
}
