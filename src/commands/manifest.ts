import { defineCommand } from './command.ts';
import { alerts } from './manifest-alerts.ts';
import { cloudInit } from './manifest-cloud-init.ts';
import { csiManifest, daemonSet } from './manifest-daemonset.ts';

export const manifest = defineCommand({
  name: 'manifest',
  summary: 'print what sets up a whole fleet',
  flags: {},
  manual: [],
  examples: [],
  subcommands: [daemonSet, csiManifest, cloudInit, alerts],
});
