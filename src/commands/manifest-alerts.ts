import { exitCode } from '../exit-codes.ts';
import { defineCommand } from './command.ts';

export const alerts = defineCommand({
  name: 'manifest alerts',
  summary: 'print alert rules for Prometheus',
  flags: {},
  manual: [
    `alerts prints the rules for Prometheus that go with mounter status --metrics: mounts that fail, and why; volumes
    that are dead or hang; metrics that nobody writes any more. A node that was turned off on purpose raises none. Load
    it by rule_files.`,
  ],
  examples: ['mounter manifest alerts >/etc/prometheus/mounter.rules.yml'],
  run: async (_, { output }) => {
    const { alertRules } = await import('../fleet/alerts.ts');
    output.out(alertRules());
    return exitCode.success;
  },
});
