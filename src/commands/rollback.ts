import { exitCode } from '../exit-codes.ts';
import { requireRoot } from '../node/node.ts';
import { defineCommand } from './command.ts';

export const rollback = defineCommand({
  name: 'rollback',
  summary: 'switch to the version before, or to another one; mounted volumes stay',
  operands: '[DIGEST]',
  flags: {},
  manual: [
    `Switches the rootfs to the version that was in use before, or to DIGEST (its first digits are enough), with
    the manifest it was installed with; the node's own settings stay. The version is checked first, and prepared where
    the node is. Mounted volumes stay as they are, and so does etc/resolv.conf. A second rollback goes forward again.`,
  ],
  examples: ['mounter rollback', 'mounter rollback sha256:1f0c'],
  changesNode: true,
  run: async ({ operands }, { layout, host, output }) => {
    requireRoot(host, 'switching to another version');
    const { rollBack } = await import('../image/versions/rollback.ts');
    const { digest, manifest, done } = await rollBack(operands[0], { layout, host });
    const { describeOverrides } = await import('../image/versions/node-edits.ts');
    const lines = [
      ...(done.length === 0 ? [`in use already: ${digest}`] : [...done, `switched to ${digest}`]),
      ...describeOverrides(layout, host, manifest),
    ];
    output.out(`${lines.join('\n')}\n`);
    return exitCode.success;
  },
});
