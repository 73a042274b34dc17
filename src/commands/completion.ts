import { exitCode } from '../exit-codes.ts';
import { type Command, defineCommand } from './command.ts';
import { oneOf } from './flags.ts';

const shells = ['bash', 'zsh', 'fish'] as const;

/** @param commands all there are, this one among them. */
export function completionCommand(commands: () => readonly Command[]): Command {
  return defineCommand({
    name: 'completion',
    summary: 'print what makes a shell complete commands, flags, files and versions',
    operands: shells.join('|'),
    program: 'WORD…',
    usage: [shells.join('|')],
    flags: {
      '--offer': {
        text: 'what may stand for the last WORD: the scripts call this',
        standsForOperands: true,
        isInternal: true,
      },
    },
    manual: [
      `Prints a script for the shell that completes what stands behind mounter: commands, flags, names of files and
      directories, types of filesystems, the versions that are installed. It asks the mounter that is called, and so
      knows what that one knows. To have it in each session, write it to this file:`,
      [
        ['bash', '/usr/share/bash-completion/completions/mounter, with the package bash-completion'],
        ['zsh', '/usr/share/zsh/vendor-completions/_mounter'],
        ['fish', '/usr/share/fish/vendor_completions.d/mounter.fish'],
      ],
    ],
    examples: ['source <(mounter completion bash)', 'mounter completion fish | source'],
    run: async (flags, { layout, output }) => {
      if (flags.has('offer')) {
        const { offerFor, offerText } = await import('./completion/offer.ts');
        output.out(offerText(offerFor(flags.program ?? [], commands(), layout)));
      } else {
        const shell = oneOf(flags.operands[0] ?? '', shells, 'there is no completion for this shell');
        output.out((await import('./completion/scripts.ts')).scripts[shell]);
      }
      return exitCode.success;
    },
  });
}
