import { maskedArguments, maskSecrets } from '../secrets.ts';

/** `value` with `change` made to every string in it; `change` is told the name of the field, that of a list for its items. */
export function mapStrings<T>(value: T, change: (text: string, name: string) => string, name = ''): T {
  const map = (inner: unknown, at: string): unknown => {
    if (typeof inner === 'string') return change(inner, at);
    if (Array.isArray(inner)) return inner.map((item) => map(item, at));
    if (typeof inner !== 'object' || inner === null) return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, item]) => [key, map(item, key)]));
  };
  return map(value, name) as T;
}

/** Fields that are no prose: options and words of a call. A list of words is masked as a whole, by `maskedArguments`. */
const bare: readonly string[] = ['options', 'source', 'target', 'fstype'];

/** What is collected, without secrets: much of it is masked where it comes from, and a file of the node's may hold any. */
export function withoutSecrets<T>(value: T): T {
  return mapStrings(value, (text, name) => (bare.includes(name) ? maskSecrets(text) : maskedProse(text)));
}

/**
 * Sentences, where `auth.allow` and `--verify-key FILE` are no secrets: from the first `=` on, a `password:` or what bears
 * one, each line is masked as options are; and URLs everywhere.
 */
function maskedProse(text: string): string {
  return text
    .replace(/[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi, (url) => maskedArguments([url])[0] ?? '')
    .replace(
      /(?:[^\s"'([{,]*=|\b(?:proxy-)?(?:authorization|bearer|pass(?:word|wd|phrase)|token|secret|credentials?)["']?\s{0,3}(?::|(?<=bearer)\s)\s{0,3}\S{4}).*$/gim,
      maskSecrets,
    );
}

/** The value of a setting, by its name too. @param path such as `policy.options.required`. */
export function maskedSetting(path: string, value: unknown): string {
  const text = JSON.stringify(value) ?? '';
  const name = path.slice(path.lastIndexOf('.') + 1);
  const isSecret = maskSecrets(`${name}=x`) !== `${name}=x`;
  return isSecret ? '<masked>' : maskedProse(maskSecrets(text));
}
