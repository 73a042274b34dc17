import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { Asked, SecurityPurpose } from '../filesystem-driver.ts';
import { requestedMajorVersion } from './options.ts';

const none: readonly SecurityPurpose[] = [];

/**
 * Kerberos where one of the flavours is of it, with which NFSv4 has users by their names; and TLS. Nearly no mount asks for
 * either, which one look tells.
 */
export function securityNeeds({
  fstype,
  options,
}: Pick<Asked, 'fstype' | 'options'>): readonly SecurityPurpose[] {
  if (!options.includes('sec=')) return none;
  const asked = parseOptions(options);
  const isKerberos = asked.some(
    ({ name, value = '' }) => name === 'sec' && /(^|:)krb5[ip]?(:|$)/.test(value),
  );
  const hasNames = isKerberos && requestedMajorVersion(fstype, options) !== '3';
  return [
    ...(isKerberos ? (['kerberos'] as const) : []),
    ...(hasNames ? (['names'] as const) : []),
    ...(/^m?tls$/.test(lastOption(asked, 'xprtsec')?.value ?? '') ? (['tls'] as const) : []),
  ];
}

/** Without `sec=` the kernel takes what the server offers, and has no tickets without rpc.gssd. */
export function mayNegotiateKerberos({ options }: Pick<Asked, 'options'>, words: string): boolean {
  return (
    lastOption(parseOptions(options), 'sec') === undefined &&
    /access denied by server|Operation not permitted|Permission denied|incorrect mount option/.test(words)
  );
}
