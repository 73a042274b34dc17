/**
 * JSON that everybody reads alike. JSON.parse takes the last of two members of one name, other readers the first:
 * what a reviewer, or an admission policy of the cluster, has seen would not be what a node goes by.
 */

/** In bytes. A ConfigMap holds up to 1 MiB; settings are some hundred. */
export const longestText = 64 * 1024;
/** No setting lies below 5 levels. */
const deepest = 16;

/** @throws Error with what is wrong, for whoever wrote it. */
export function parseStrictly(text: string): unknown {
  if (Buffer.byteLength(text) > longestText) throw new Error(`is longer than ${longestText >> 10} KiB`);
  // Before it is parsed: what goes down level by level has no end of stack.
  if (depthOf(text) > deepest) throw new Error(`is nested in more than ${deepest} levels`);
  const json = parse(text);
  const duplicate = duplicateMember(text);
  if (duplicate !== undefined) throw new Error(`${duplicate}: stands there twice`);
  return json;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`not valid JSON: ${(error as Error).message}`, { cause: error });
  }
}

const tokens = /"(?:[^"\\]|\\.)*"|[{}[\]:]/gs;

function depthOf(text: string): number {
  let [depth, most] = [0, 0];
  for (const [token] of text.matchAll(tokens)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    most = Math.max(most, depth);
  }
  return most;
}

/** @param text is valid. @returns the path of the first member that has the name of one before it. */
function duplicateMember(text: string): string | undefined {
  const open: { readonly names: Set<string>; at: string }[] = [];
  let word = '';
  for (const [token] of text.matchAll(tokens)) {
    const object = open.at(-1);
    if (token === '{' || token === '[') open.push({ names: new Set(), at: '' });
    else if (token === '}' || token === ']') open.pop();
    else if (token !== ':') word = token;
    else if (object !== undefined) {
      // `"enabled"` is the same name.
      object.at = String(JSON.parse(word));
      if (object.names.has(object.at)) return pathOf(open.map(({ at }) => at));
      object.names.add(object.at);
    }
  }
  return undefined;
}

/** An element of a list has no name. */
function pathOf(names: readonly string[]): string {
  return names.filter((name) => name !== '').join('.');
}
