/** What a check says of one thing. */
export interface Judgement {
  /** `failing`: a mount would fail. `warning`: none would, but something is to be done. */
  readonly level: Level;
  /** What it is about: a path, a filesystem, a server. */
  readonly subject: string;
  readonly message: string;
  /** The next action; null where there is none. */
  readonly hint: string | null;
}

export type Level = 'ok' | 'warning' | 'failing';

/** One line of `mounter doctor`. */
export interface Finding extends Judgement {
  /** The group it belongs to: `kernel`, `mounts`, `volumes` … */
  readonly check: string;
}

/** What the check of that name has found. */
export function findingsOf(check: string, judgements: readonly Judgement[]): readonly Finding[] {
  return judgements.map((judgement) => ({ check, ...judgement }));
}

export function ok(subject: string, message: string): Judgement {
  return { level: 'ok', subject, message, hint: null };
}

export function warning(subject: string, message: string, hint: string): Judgement {
  return { level: 'warning', subject, message, hint };
}

export function failing(subject: string, message: string, hint: string): Judgement {
  return { level: 'failing', subject, message, hint };
}
