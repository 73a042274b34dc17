/**
 * What every child inherits beside its environment, its descriptors (0, 1 and 2 alone) and `/`, which spawn
 * sets; signals are at their defaults and none is blocked (bun and Node see to that). Priority and OOM score
 * are kubelet's choice and stay.
 *
 * The limits are ours too from then on: the mount path needs no more. setrlimit(2) by bun's FFI is 0.14 ms
 * once, where sh(1) or prlimit(1) before the helper is 0.4 to 0.5 ms each time. On Node, which the unit tests
 * run on, they stay as they are.
 */
export function limitChild(): void {
  process.umask(0o022);
  const ffi = (globalThis as { readonly Bun?: { readonly FFI?: NativeFfi } }).Bun?.FFI;
  if (ffi === undefined || isDone) return;
  isDone = true;
  try {
    const { getrlimit, setrlimit } = openLibc(ffi);
    // A core file may hold a password.
    setLimit(ffi, setrlimit, RLIMIT_CORE, 0n, 0n);
    const limit = new BigUint64Array(2);
    if (getrlimit(RLIMIT_NOFILE, ffi.ptr(limit)) !== 0) return;
    const [, hard = 0n] = limit;
    setLimit(ffi, setrlimit, RLIMIT_NOFILE, hard < usualFiles ? hard : usualFiles, hard);
  } catch {
    // No such libc: the child has our limits, as with any other parent.
  }
}

let isDone = false;

/** The same on every Linux architecture we build for. @see getrlimit(2) */
const RLIMIT_CORE = 4;
const RLIMIT_NOFILE = 7;

/**
 * The soft limit that the kernel and systemd give: bun raises ours to the hard one, and code in the helpers
 * that uses select(2) must not see descriptors beyond it. glusterfs and rpcbind raise theirs themselves.
 */
const usualFiles = 1024n;

/** What we use of Bun.FFI, the native half of bun:ffi, which is not loaded for this. */
interface NativeFfi {
  dlopen(
    library: string,
    symbols: Readonly<Record<string, { readonly args: readonly number[]; readonly returns: number }>>,
  ): { readonly symbols: Readonly<Record<string, LimitCall>> };
  ptr(array: BigUint64Array): number;
}

type LimitCall = (resource: number, limit: number) => number;

/** FFIType.i32 and FFIType.ptr by their numbers. */
const [int, pointer] = [5, 12];

function openLibc(ffi: NativeFfi): { readonly getrlimit: LimitCall; readonly setrlimit: LimitCall } {
  const call = { args: [int, pointer], returns: int };
  const { getrlimit, setrlimit } = ffi.dlopen('libc.so.6', { getrlimit: call, setrlimit: call }).symbols;
  if (getrlimit === undefined || setrlimit === undefined) throw new Error('no getrlimit in libc');
  return { getrlimit, setrlimit };
}

function setLimit(ffi: NativeFfi, setrlimit: LimitCall, resource: number, soft: bigint, hard: bigint): void {
  setrlimit(resource, ffi.ptr(new BigUint64Array([soft, hard])));
}
