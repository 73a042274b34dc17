import { kindNames } from '../manifest/filesystem-kinds.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { OptionRules } from '../manifest/policy.ts';
import { knownOptionNames } from '../mount/filesystems/option-names.ts';
import { nearest } from '../nearest.ts';

/** Rules of `policy.options` about options that nothing is known to take: what was meant is allowed, or is not required. */

interface StrangeRule {
  /** Such as `policy.options.nfs.forbidden`. */
  readonly setting: string;
  readonly entry: string;
  readonly meant: string;
}

/** Those that are like a known one: of others an image may have a helper that takes them. */
export function strangeRules({ options }: Manifest['policy']): readonly StrangeRule[] {
  return [
    ...strangeIn(options, 'policy.options', knownOptionNames(undefined)),
    ...kindNames.flatMap((kind) =>
      strangeIn(options[kind] ?? {}, `policy.options.${kind}`, knownOptionNames(kind)),
    ),
  ];
}

function strangeIn(rules: OptionRules, at: string, names: ReadonlySet<string>): readonly StrangeRule[] {
  return (['allowed', 'forbidden', 'required'] as const).flatMap((list) =>
    (rules[list] ?? []).flatMap((entry) => {
      const meant = meantBy(entry.split('=')[0] ?? '', names);
      return meant === undefined ? [] : [{ setting: `${at}.${list}`, entry, meant }];
    }),
  );
}

function meantBy(name: string, names: ReadonlySet<string>): string | undefined {
  const plain = name.toLowerCase();
  if (names.has(plain) || names.has(plain.replace(/^no/, '')) || /[@*]/.test(name)) return undefined;
  const negative = [...names].filter((one) => !one.startsWith('no')).map((one) => `no${one}`);
  return nearest(plain, plain.startsWith('no') ? [...negative, ...names] : names);
}
