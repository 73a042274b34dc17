import type { ErrorClass } from '../errors.ts';

/** One call of `mounter`, as its line in the record has it; the log level, time and pid are the line's own. */
export interface CallRecord {
  readonly command: string;
  /** `mount.nfs` and its like, where the call came under that name. */
  readonly calledAs?: string | undefined;
  readonly fstype?: string | undefined;
  readonly source?: string | undefined;
  readonly target?: string | undefined;
  /** Secrets are masked. */
  readonly options?: string | undefined;
  /** `-f`: nothing was to be mounted. */
  readonly isFake?: true | undefined;
  /** Of every other command; secrets are masked. */
  readonly arguments?: readonly string[] | undefined;
  /** How long each step of the plan took, in ms, in their order; the last one is where a mount failed. */
  readonly steps?: Readonly<Record<string, number>> | undefined;
  readonly totalMs: number;
  /** The exit status. */
  readonly status: number;
  readonly wasMounted?: boolean | undefined;
  /** Of a failure, as the four after it. */
  readonly errorClass?: ErrorClass | undefined;
  /** An earlier call had found it, and this one asked nobody. */
  readonly isRemembered?: true | undefined;
  readonly subject?: string | undefined;
  readonly hint?: string | undefined;
  readonly helperOutput?: string | undefined;
  /** What happened, in a few words: the message of a failure. */
  readonly msg: string;
}
