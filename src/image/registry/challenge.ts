/** One way to identify oneself that a server offers: `Bearer realm="…",service="…"`. */
export interface Challenge {
  /** In lower case: `bearer`, `basic`. */
  readonly scheme: string;
  /** Their names in lower case. */
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * Parses WWW-Authenticate, of which there may be several in one line:
 *
 *     Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull", Basic realm="x"
 *
 * What is no challenge is left out.
 * @see RFC 9110, 11.6.1
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const token = /\s*,?\s*([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([\w!#$%&'*+.^`|~:/?-]+)))?/y;
  for (let match = token.exec(header); match !== null; match = token.exec(header)) {
    const [, name = '', quoted, bare] = match;
    const value = quoted?.replace(/\\(.)/g, '$1') ?? bare;
    if (value === undefined) challenges.push({ scheme: name.toLowerCase(), parameters: {} });
    else setParameter(challenges.at(-1)?.parameters, name.toLowerCase(), value);
  }
  return challenges;
}

function setParameter(parameters: Record<string, string> | undefined, name: string, value: string): void {
  if (parameters !== undefined && !(name in Object.prototype)) parameters[name] = value;
}
