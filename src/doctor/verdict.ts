import type { Finding, Judged } from './finding.ts';

/**
 * The one verdict on a node. `mounter doctor` and `mounter status` show it and exit by it, the metrics are made of it,
 * and the node agent says it to the readiness probe. It comes of the checks of examination.ts that decide. What was found
 * before and kept would be another truth, but of a rootfs in which nothing has changed since: see last-look.ts.
 */
export interface Verdict {
  /** `failing`: a mount that this node is there for would fail. `off`: the mounter is turned off, on purpose. */
  readonly node: 'ready' | 'failing' | 'off';
  /** Of each type that the settings offer. `lacking`: the kernel cannot, which is no fault where it can mount another. */
  readonly types: Readonly<Record<string, 'ready' | 'failing' | 'lacking' | 'off'>>;
}

/** What `mounter doctor` shows, or of it what the verdict rests on. */
export interface Examination extends Verdict {
  readonly findings: readonly Finding[];
}

/**
 * @param offered the types of the settings' `filesystems`.
 * @returns the findings with the levels that they have on a node that offers these types: what fails none of them, or
 *   only those that the kernel lacks, is a warning; a kernel that lacks all of them fails.
 */
export function judge(judged: readonly Judged[], offered: readonly string[], isOff: boolean): Examination {
  const lacking = new Set(judged.flatMap(({ level, types = [] }) => (level === 'lacking' ? types : [])));
  const isNoneLeft = offered.length > 0 && offered.every((type) => lacking.has(type));
  const findings = judged.map(({ level, ...rest }): Finding => {
    if (level === 'lacking') return { level: isNoneLeft ? 'failing' : 'warning', ...rest };
    const isOfNone = !isNoneLeft && rest.types?.every((type) => lacking.has(type));
    return { level: level === 'failing' && isOfNone ? 'warning' : level, ...rest };
  });
  const faults = findings.filter(({ level }) => level === 'failing');
  const verdictOf = (type: string) => {
    if (isOff) return 'off';
    if (faults.some(({ types }) => types?.includes(type) ?? true)) return 'failing';
    return lacking.has(type) ? 'lacking' : 'ready';
  };
  return {
    node: faults.length > 0 ? 'failing' : isOff ? 'off' : 'ready',
    types: Object.fromEntries(offered.map((type) => [type, verdictOf(type)])),
    findings,
  };
}

/** `mounts would work, but not of nfs, nfs4`: the verdict for people. */
export function verdictWords({ node, types }: Verdict): string {
  const typesThat = (are: readonly string[]) =>
    Object.keys(types).filter((type) => are.includes(types[type] ?? ''));
  const [failing, lacking] = [typesThat(['failing']), typesThat(['lacking'])];
  const kernel = lacking.length === 0 ? '' : `, but not of ${lacking.join(', ')}`;
  if (Object.values(types).includes('off')) return 'turned off';
  if (node === 'ready') return `mounts would work${kernel}`;
  const isOfAll = typesThat(['ready']).length === 0;
  return isOfAll ? 'mounts would fail' : `mounts of ${failing.join(', ')} would fail`;
}
