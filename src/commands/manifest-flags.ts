import type { Flags } from './command.ts';
import { badFlag, fitting } from './flags.ts';

/** What the flags of both manifests have in common. All throw MounterError (usage) that names the flag. */

export function requiredFlag(flags: Flags, name: string, example: string): string {
  const value = flags.value(name);
  if (value !== undefined) return value;
  throw badFlag(name, 'is missing', `such as --${name} ${example}`);
}

/** A reference that nobody can put another image behind. */
export function pinnedReference(name: string, value: string): string {
  if (/^[a-z0-9][A-Za-z0-9._:/[\]-]*@sha256:[0-9a-f]{64}$/.test(value)) return value;
  const hint = 'write REGISTRY/NAME@sha256:…, with the digest that npm run image printed';
  throw badFlag(name, `${value} is not pinned by its digest`, hint);
}

/** Absolute, and with nothing that a shell, systemd or YAML could take for something else. */
export function plainPath(name: string, value: string, example: string): string {
  return fitting(name, value, /^(\/[A-Za-z0-9._-]+)+$/, example);
}
