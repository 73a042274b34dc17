import { parseOptions } from '../../arguments/options.ts';
import type { SecurityPurpose } from '../filesystem-driver.ts';

const none: readonly SecurityPurpose[] = [];

/** Kerberos where one of the flavours is of it, and TLS. Nearly no mount asks for either, which one look tells. */
export function securityNeeds({ options }: { readonly options: string }): readonly SecurityPurpose[] {
  if (!options.includes('sec=')) return none;
  const asked = parseOptions(options);
  const isAsked = (option: string, values: RegExp) =>
    asked.some(({ name, value = '' }) => name === option && values.test(value));
  return [
    ...(isAsked('sec', /(^|:)krb5[ip]?(:|$)/) ? (['kerberos'] as const) : []),
    ...(isAsked('xprtsec', /^m?tls$/) ? (['tls'] as const) : []),
  ];
}
