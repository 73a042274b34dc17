import type { Manifest } from '../../src/manifest/manifest.ts';

/**
 * The manifest's `text` with another `rootfs` section. All else stays as it was written, byte for byte: the
 * other sections are kept by hand.
 */
export function replaceRootfs(text: string, rootfs: Manifest['rootfs']): string {
  const start = /^ {2}"rootfs": /m.exec(text);
  if (start === null) throw new TypeError('rootfs-manifest.json: no line begins with the section "rootfs"');
  const from = start.index + start[0].length;
  return text.slice(0, from) + formatRootfs(rootfs) + text.slice(from + objectLength(text.slice(from)));
}

/** How long the JSON object is that `text` begins with, braces inside strings left out. */
function objectLength(text: string): number {
  let depth = 0;
  for (const token of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}]/g)) {
    if (token[0] === '{') depth++;
    else if (token[0] === '}') depth--;
    if (depth === 0) return token.index + 1;
  }
  throw new TypeError('rootfs-manifest.json: the section "rootfs" has no end');
}

/** One line for each package and path, so that a diff shows what changed. @param margin of the section itself. */
function formatRootfs(rootfs: object, margin = '  '): string {
  const fields = Object.entries(rootfs).map(
    ([name, value]) => `${margin}  "${name}": ${formatField(value, `${margin}  `)}`,
  );
  return `{\n${fields.join(',\n')}\n${margin}}`;
}

function formatField(value: unknown, margin: string): string {
  if (Array.isArray(value) && value.length > 0) {
    const lines = value.map((item) => `${margin}  ${formatItem(item)}`);
    return `[\n${lines.join(',\n')}\n${margin}]`;
  }
  const isSection = typeof value === 'object' && value !== null && Object.values(value).some(isObject);
  return isSection ? formatRootfs(value, margin) : formatItem(value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function formatItem(item: unknown): string {
  if (!isObject(item) || Array.isArray(item)) return JSON.stringify(item);
  const fields = Object.entries(item).map(([name, value]) => `"${name}": ${formatItem(value)}`);
  return `{ ${fields.join(', ')} }`;
}
