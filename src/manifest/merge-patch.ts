import { isObject } from './renamed.ts';

/**
 * JSON merge patch, RFC 7386: objects are merged, null takes a member away, all else, lists among it, is replaced as a
 * whole.
 */
export function mergePatch(below: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const members = new Map(Object.entries(isObject(below) ? below : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) members.delete(name);
    else members.set(name, mergePatch(members.get(name), value));
  }
  return Object.fromEntries(members);
}

/**
 * One patch that does what `first` does and then `then`. No patch can say that an object is another, whole: where `first`
 * takes one away and `then` makes it anew, what `then` does not name of it stays.
 */
export function combinePatches(first: unknown, then: unknown): unknown {
  if (!isObject(first) || !isObject(then)) return then;
  const shared = Object.entries(first).map(([name, value]) => [
    name,
    Object.hasOwn(then, name) ? combinePatches(value, then[name]) : value,
  ]);
  return { ...then, ...Object.fromEntries(shared) };
}

/** The paths of the values that a patch sets or takes away, such as `limits.mountSeconds`. */
export function pathsOf(patch: unknown, at = ''): readonly string[] {
  if (!isObject(patch) || Object.keys(patch).length === 0) return at === '' ? [] : [at];
  return Object.entries(patch).flatMap(([name, value]) => pathsOf(value, at === '' ? name : `${at}.${name}`));
}
