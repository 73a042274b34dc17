import { existsSync, readFileSync } from 'node:fs';
import { endInRoot, placeInRoot } from '../host/path-in-root.ts';
import { jsonOrUndefined } from '../json.ts';
import type { TextFile } from '../manifest/node-settings.ts';
import type { Layout } from '../node/layout.ts';
import {
  type Called,
  type CallOnHost,
  callsOf,
  enteringHostForGood,
  hostRoot,
} from '../node-agent/on-host.ts';
import { toolsManifest } from '../node-agent/places.ts';
import { CsiError, codeOf, type Failure, type Operation } from './csi-error.ts';

/** The node that the driver works for, from within its container or without one. */
export interface NodeHost {
  /** Runs the installed front on the host. */
  readonly call: CallOnHost;
  /** The host's file, or symlink, as we reach it. */
  readonly pathOf: (path: string) => string;
  /** The same of a file that is read: symlinks of its own are the host's, too. */
  readonly fileOf: (path: string) => string;
  /** The host's file, or symlink, as the host's mountinfo names it. */
  readonly placeOf: (path: string) => string;
}

/** @returns undefined where it is not there. */
export function readFileOf(path: string): TextFile | undefined {
  return existsSync(path) ? { path, text: readFileSync(path, 'utf8') } : undefined;
}

/**
 * In the container of the node agent, the host is another; anywhere else it is where we are. Where MOUNTER_HOME is gone,
 * the front in our own executable takes the place of the installed one: there may be volumes to take away.
 */
export function nodeHost(layout: Layout): NodeHost {
  const { executable } = layout;
  const isContainer = existsSync(toolsManifest);
  const root = isContainer ? hostRoot : '';
  const places = placesIn(root);
  const front = () => (existsSync(places.pathOf(executable)) ? executable : `/proc/${process.pid}/exe`);
  return {
    call: callsOf(() => [...(isContainer ? enteringHostForGood() : []), front()], layout),
    ...places,
  };
}

/** @param root where we reach the host's root directory; '' for our own. */
export function placesIn(root: string): Omit<NodeHost, 'call'> {
  const placeOf = (path: string) => placeInRoot(root, path);
  return {
    pathOf: (path) => `${root}${placeOf(path)}`,
    fileOf: (path) => `${root}${endInRoot(root, path)}`,
    placeOf,
  };
}

/**
 * Runs a command of the front that says with JSON why it failed.
 * @param fields of the request, by the paths that they have as their values.
 * @returns its stdout.
 * @throws CsiError with its words.
 */
export async function callFront(
  host: NodeHost,
  argv: readonly string[],
  signal: AbortSignal,
  fields: Readonly<Record<string, string>> = {},
): Promise<string> {
  const called = await host.call(argv, signal);
  collectSoon();
  if (called.status === 0) return called.stdout;
  const failure = parseFailure(called);
  if (failure === undefined)
    throw new CsiError(
      'UNAVAILABLE',
      `the mounter of this node cannot be run: ${called.stderr.trim() || `status ${called.status}`}; see whether the node agent is ready on it`,
    );
  const { class: errorClass, subject, message, hint, helperOutput } = failure;
  // What the request itself has wrong is named by its field. Of all else that path says nothing to who reads a Pod's events.
  const isOfRequest = errorClass === 'mount-point' || errorClass === 'busy';
  const field = subject === undefined || !isOfRequest ? undefined : fields[subject];
  const words = [field, subject, message].filter((word) => word !== undefined && word !== '').join(': ');
  const output =
    helperOutput === undefined || helperOutput === ''
      ? ''
      : ` (${helperOutput.trim().replaceAll('\n', ' / ')})`;
  const isGivenUp = signal.aborted && errorClass === 'interrupted';
  throw new CsiError(
    isGivenUp ? 'CANCELLED' : codeOf(errorClass, operationOf(argv)),
    `${words}${output}${hint === undefined ? '' : `; ${hint}`}`,
    failure,
  );
}

let isCollecting = false;

/** The engine itself waits until its heap has doubled, and a driver that has nothing to do keeps what calls have left. */
function collectSoon(): void {
  if (isCollecting) return;
  isCollecting = true;
  setTimeout(() => {
    isCollecting = false;
    (globalThis as { readonly Bun?: { gc(isAtOnce: boolean): void } }).Bun?.gc(true);
  }, collectMs).unref();
}

const collectMs = 1000;

/** `mount …` or `volume OPERATION …` */
function operationOf([command, operation]: readonly string[]): Operation {
  return (command === 'volume' ? operation : command) as Operation;
}

/** The last line: before it, what a mount had to say. */
function parseFailure({ stdout }: Called): Failure | undefined {
  return jsonOrUndefined(stdout.trimEnd().split('\n').at(-1) ?? '') as Failure | undefined;
}
