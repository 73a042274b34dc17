/** What resolv.conf(5) says, as far as a rootfs needs it. */
export interface ResolvConf {
  readonly nameservers: readonly string[];
  /** The domains of the last `search` or `domain` line: the earlier ones do not count. */
  readonly searches: readonly string[];
  /** The words of all `options` lines, e.g. `ndots:5`. */
  readonly options: readonly string[];
  /** Lines of other keywords, such as `sortlist`. */
  readonly others: readonly string[];
}

/**
 * ```
 * nameserver 10.96.0.10
 * search svc.cluster.local example.com
 * options ndots:5 edns0
 * ```
 * As in glibc, a keyword stands at the very beginning of its line, `#` and `;` begin a comment there.
 */
export function parseResolvConf(text: string): ResolvConf {
  const nameservers: string[] = [];
  const options: string[] = [];
  const others: string[] = [];
  let searches: readonly string[] = [];
  for (const line of text.split('\n')) {
    const [keyword = '', ...words] = line.trimEnd().split(/[ \t]+/);
    if (keyword === 'nameserver') nameservers.push(...words.slice(0, 1));
    else if (keyword === 'search') searches = words;
    else if (keyword === 'domain') searches = words.slice(0, 1);
    else if (keyword === 'options') options.push(...words);
    else if (/^[a-z]/.test(keyword)) others.push(line.trimEnd());
  }
  return { nameservers, searches, options, others };
}

export function formatResolvConf({ nameservers, searches, options, others }: ResolvConf): string {
  const lines = [
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(searches.length === 0 ? [] : [`search ${searches.join(' ')}`]),
    ...(options.length === 0 ? [] : [`options ${options.join(' ')}`]),
    ...others,
  ];
  return lines.map((line) => `${line}\n`).join('');
}
