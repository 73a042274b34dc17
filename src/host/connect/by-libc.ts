import { dlopen, read } from 'bun:ffi';
import { constants } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import type { ConnectLimits } from '../host.ts';
import type { Ended } from './ended.ts';

/** By libc, through bun:ffi: a socket that does not block, looked at every few milliseconds. */
export async function attempt(
  address: string,
  port: number,
  { timeoutMs, signal }: ConnectLimits,
): Promise<Ended> {
  const bytes = socketAddress(address, port);
  if (bytes === undefined) return 'EINVAL';
  const fd = libc().socket(bytes.readUInt16LE(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errorName();
  try {
    if (libc().connect(fd, bytes, bytes.length) === 0) return 'connected';
    const error = errorName();
    if (error !== 'EINPROGRESS') return error;
    const deadline = performance.now() + timeoutMs;
    while (!isDecided(fd)) {
      if (signal?.aborted) return 'aborted';
      if (performance.now() >= deadline) return 'timeout';
      await setTimeout(pollMs);
    }
    return outcome(fd);
  } finally {
    libc().close(fd);
  }
}

const pollMs = 5;

/** The same on x86-64 and arm64, both little-endian. @see socket(2), poll(2), ipv6(7) */
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const AF_INET = 2;
const AF_INET6 = 10;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const POLLOUT = 4;

/** struct sockaddr_in, or sockaddr_in6 with the scope of `fe80::1%eth0`; undefined for what is no address. */
function socketAddress(text: string, port: number): Buffer | undefined {
  const [address = '', scope = ''] = text.split('%');
  const isIPv6 = address.includes(':');
  const bytes = Buffer.alloc(isIPv6 ? 28 : 16);
  bytes.writeUInt16LE(isIPv6 ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  const parsed = Buffer.alloc(16);
  if (libc().inet_pton(bytes.readUInt16LE(), terminated(address), parsed) !== 1) return undefined;
  parsed.copy(bytes, isIPv6 ? 8 : 4, 0, isIPv6 ? 16 : 4);
  if (isIPv6 && scope !== '')
    bytes.writeUInt32LE(Number(scope) || libc().if_nametoindex(terminated(scope)), 24);
  return bytes;
}

function isDecided(fd: number): boolean {
  const pollfd = Buffer.alloc(8);
  pollfd.writeInt32LE(fd, 0);
  pollfd.writeInt16LE(POLLOUT, 4);
  return libc().poll(pollfd, 1, 0) > 0;
}

function outcome(fd: number): Ended {
  const [value, length] = [Buffer.alloc(4), Buffer.from([4, 0, 0, 0])];
  if (libc().getsockopt(fd, SOL_SOCKET, SO_ERROR, value, length) !== 0) return errorName();
  const error = value.readInt32LE();
  return error === 0 ? 'connected' : nameOf(error);
}

/** At once after the call, before anything else sets errno. */
function errorName(): string {
  return nameOf(read.i32(libc().__errno_location()));
}

function nameOf(errno: number): string {
  return Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}

function terminated(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

let opened: ReturnType<typeof openLibc> | undefined;

function libc(): ReturnType<typeof openLibc> {
  opened ??= openLibc();
  return opened;
}

function openLibc() {
  return dlopen('libc.so.6', {
    socket: { args: ['i32', 'i32', 'i32'], returns: 'i32' },
    connect: { args: ['i32', 'ptr', 'u32'], returns: 'i32' },
    poll: { args: ['ptr', 'u64', 'i32'], returns: 'i32' },
    getsockopt: { args: ['i32', 'i32', 'i32', 'ptr', 'ptr'], returns: 'i32' },
    close: { args: ['i32'], returns: 'i32' },
    inet_pton: { args: ['i32', 'ptr', 'ptr'], returns: 'i32' },
    if_nametoindex: { args: ['ptr'], returns: 'u32' },
    __errno_location: { args: [], returns: 'ptr' },
  }).symbols;
}
