/** What a check says of one thing. */
export interface Judgement {
  /** `lacking`: the kernel cannot mount these types: a matter of theirs, where it can mount others. */
  readonly level: Level | 'lacking';
  /** What it is about: a path, a filesystem, a server. */
  readonly subject: string;
  readonly message: string;
  /** The next action; null where there is none. */
  readonly hint: string | null;
  /** The types of `filesystems` whose mounts it is about; left out: all of them. */
  readonly types?: readonly string[];
}

/** `failing`: a mount would fail. `warning`: none would, but something is to be done. */
export type Level = 'ok' | 'warning' | 'failing';

/** Of a check that has no say in the verdict: it cannot find that a mount would fail. */
export interface Advice extends Judgement {
  readonly level: 'ok' | 'warning';
}

/** One line of `mounter doctor`. */
export interface Finding extends Judgement {
  readonly level: Level;
  /** The group it belongs to: `kernel`, `mounts`, `volumes` … */
  readonly check: string;
}

/** A judgement and the check that it is of. */
export type Judged = Judgement & Pick<Finding, 'check'>;

/** What the check of that name has found. */
export function findingsOf<J extends Judgement>(
  check: string,
  judgements: readonly J[],
): readonly (J & Pick<Finding, 'check'>)[] {
  return judgements.map((judgement) => ({ check, ...judgement }));
}

export function ok(subject: string, message: string): Advice {
  return { level: 'ok', subject, message, hint: null };
}

export function warning(subject: string, message: string, hint: string): Advice {
  return { level: 'warning', subject, message, hint };
}

/** @param types whose mounts would fail; left out: all of them. */
export function failing(
  subject: string,
  message: string,
  hint: string,
  types?: readonly string[],
): Judgement & { readonly level: 'failing' } {
  return { level: 'failing', subject, message, hint, ...(types === undefined ? {} : { types }) };
}
