import packageJson from '../../package.json' with { type: 'json' };
import { exitCode } from '../exit-codes.ts';
import { defineCommand } from './command.ts';

export const version = defineCommand({
  name: 'version',
  summary: 'the version of this executable',
  flags: {},
  manual: ['The version of this executable. Those of the rootfs are in mounter versions.'],
  examples: ['mounter version'],
  run: async (_, { output }) => {
    output.out(`mounter ${packageJson.version}\n`);
    return exitCode.success;
  },
});
