import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import type { HostMount } from './offer.ts';

/**
 * The mount that offers the host's `/` in the kubelet's root.
 * @param word `PATH[:slave|shared]`; slave if left out: what the kubelet mounts there stays in its root.
 * @throws MounterError (usage)
 */
export function parseHostRoot(word: string): HostMount {
  const [, path = '', propagation = 'slave'] = /^([^:]*)(?::(.*))?$/s.exec(word) ?? [];
  if (propagation !== 'slave' && propagation !== 'shared')
    throw unusable(word, `${propagation} is neither slave nor shared`);
  const parts = path.split('/').slice(1);
  if (!path.startsWith('/') || parts.some((part) => part === '' || part === '.' || part === '..'))
    throw unusable(word, 'is not an absolute path below / in its plain form');
  return { host: '/', rootfs: path, type: 'rbind', access: 'rw', propagation, optional: false };
}

function unusable(subject: string, message: string): MounterError {
  return new MounterError(message, {
    subject,
    status: exitCode.usage,
    hint: 'such as --host-root /host or --host-root /host:shared',
  });
}
