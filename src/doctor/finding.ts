/** One line of `mounter doctor`. */
export interface Finding {
  /** The group it belongs to: `kernel`, `mounts`, `volumes` … */
  readonly check: string;
  /** `failing`: a mount would fail. `warning`: none would, but something is to be done. */
  readonly level: Level;
  /** What it is about: a path, a filesystem, a server. */
  readonly subject: string;
  readonly message: string;
  /** The next action; null where there is none. */
  readonly hint: string | null;
}

export type Level = 'ok' | 'warning' | 'failing';

export function ok(check: string, subject: string, message: string): Finding {
  return { check, level: 'ok', subject, message, hint: null };
}

export function warning(check: string, subject: string, message: string, hint: string): Finding {
  return { check, level: 'warning', subject, message, hint };
}

export function failing(check: string, subject: string, message: string, hint: string): Finding {
  return { check, level: 'failing', subject, message, hint };
}
