import type { MountEntry } from '../../../host/mountinfo.ts';
import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { Asked } from '../filesystem-driver.ts';
import { valueIn } from '../option-readings.ts';

/** The weakest first. */
export const flavours = ['none', 'null', 'sys', 'krb5', 'krb5i', 'krb5p'];
export const transportPolicies = ['none', 'tls', 'mtls'];

/**
 * What of `xprtsec=` and `sec=` a mount goes without, as it was asked for. All flavours that are named may be used: the
 * weakest of them will do, and whatever is stronger.
 */
export function lackOfSecurity(
  { options }: Pick<Asked, 'options'>,
  { superOptions }: Pick<MountEntry, 'superOptions'>,
): string | undefined {
  const all = parseOptions(options);
  const has = (name: string) => valueIn(superOptions, name)[0] ?? 'none';
  const policy = lastOption(all, 'xprtsec')?.value ?? 'none';
  if (!isEnough(transportPolicies, has('xprtsec'), [policy])) return `xprtsec=${policy}`;
  const named = all.flatMap(({ name, value = '' }) => (name === 'sec' ? value.split(':') : []));
  return named.length === 0 || isEnough(flavours, has('sec'), named) ? undefined : `sec=${named.join(':')}`;
}

/** What is on no list is as good as itself alone. */
function isEnough(weakestFirst: readonly string[], got: string, asked: readonly string[]): boolean {
  const weaker = weakestFirst.slice(0, Math.max(0, weakestFirst.indexOf(got)));
  return asked.some((one) => one === got || weaker.includes(one));
}
