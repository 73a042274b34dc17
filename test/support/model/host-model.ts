import type { Command, FileStatus, Host, Outcome, RootfsEntrance } from '../../../src/host/host.ts';
import type {
  ApartRequest,
  ApartSite,
  Connection,
  Descriptor,
  Guardian,
  HelperCommand,
  HelperRun,
  Left,
  Liveness,
  MountHost,
  OpenStatus,
} from '../../../src/host/mount-host.ts';

/** What a helper mounts, as mountinfo has it. */
export interface ModelMount {
  readonly source: string;
  readonly fstype: string;
  /** `major:minor` */
  readonly device?: string;
  readonly mountOptions?: string;
  readonly superOptions?: string;
}

/** An open file of the model stays what it was when it was opened. */
interface OpenFile {
  readonly path: string;
  readonly status: OpenStatus;
}

/**
 * A node in memory with its own model of the truth: directories and mounts, of which a helper's run may add
 * some, on the host or apart from it. The mount path sees nothing else, so what it does can be followed to the
 * letter. The same cases run on real mounts in test/system and test/vm.
 */
export class HostModel implements MountHost {
  readonly files = new Map<string, FileStatus>();
  readonly texts = new Map<string, string>();
  /** Mount point → ids of the mounts stacked on it, the topmost last. */
  readonly mounts = new Map<string, number[]>([['/', [1]]]);
  readonly commands: (readonly string[])[] = [];
  readonly helpers: HelperCommand[] = [];
  userId = 0;
  isInterrupted = false;
  /** What running a command does and how it ends. */
  onRun: (command: Command | HelperCommand) => Partial<Outcome> = () => ({});
  /** What comes of a connection, after so many milliseconds. */
  onConnect: (address: string, port: number) => readonly [Connection, number] = () => ['open', 0];
  readonly connections: string[] = [];
  /** How long a command would take by itself, in milliseconds. */
  durationOf: (command: Command | HelperCommand) => number = () => 0;
  /** Given to whoever asks after a command. */
  readonly over = new AbortController();
  processList: ReturnType<Host['processes']> = [];
  readonly killed: number[] = [];
  #nextMountId = 100;
  #nextInode = 1;
  #time = 0;

  directory(...paths: readonly string[]): this {
    for (const path of paths) this.file(path, { kind: 'directory' });
    return this;
  }

  file(path: string, status: Partial<FileStatus> = {}): this {
    this.files.set(path, {
      kind: 'file',
      device: 1,
      inode: this.#nextInode++,
      isExecutable: false,
      isRoots: true,
      size: 0,
      changedMs: 0,
      ...status,
    });
    return this;
  }

  /** The same directory under another path: what an identity mount makes. */
  sameFile(path: string, as: string): this {
    const status = this.files.get(path);
    if (status !== undefined) this.files.set(as, status);
    return this;
  }

  mount(point: string): number {
    const id = this.#nextMountId++;
    this.mounts.set(point, [...(this.mounts.get(point) ?? []), id]);
    return id;
  }

  effectiveUserId = () => this.userId;
  readText = (path: string) =>
    this.texts.get(path) ??
    (path === '/proc/uptime' ? `${(this.#time / 1000).toFixed(2)} 0.00\n` : undefined);
  replaceText = (path: string, text: string) => {
    this.texts.set(path, text);
    this.file(path, { size: text.length, changedMs: this.#time });
  };
  createText = (path: string, text: string) => {
    if (this.files.has(path)) return false;
    this.replaceText(path, text);
    return true;
  };
  remove = (path: string) => {
    this.files.delete(path);
    this.texts.delete(path);
  };
  list = (path: string) =>
    [...this.files.keys()].flatMap((file) => {
      const name = file.slice(path.length + 1);
      return file.startsWith(`${path}/`) && !name.includes('/') ? [name] : [];
    });
  makeDirectory = (path: string) => void this.directory(path);
  readonly links = new Map<string, string>([['/proc/self/ns/mnt', ownMounts]]);
  readLink = (path: string) => this.links.get(path);
  lstat = (path: string) => this.files.get(path);
  stat = (path: string) => this.files.get(path);
  realPath = (path: string) => (this.files.has(path) ? path : undefined);

  processes = () => this.processList;
  kill = (pid: number) => {
    this.killed.push(pid);
    this.processList = this.processList.filter((process) => process.pid !== pid);
  };
  findProgram = (name: string) => `/usr/bin/${name}`;

  run = async (command: Command): Promise<Outcome> => {
    this.commands.push([...(command.inside === undefined ? [] : entering(command.inside)), ...command.argv]);
    return this.#inTime(command, this.#outcomeOf(command));
  };

  #outcomeOf(command: Command | HelperCommand): Outcome {
    return { status: 0, endedBy: 'itself', output: '', ...this.onRun(command) };
  }

  /** A command takes as long as `durationOf` says, unless its deadline or its watchdog ends it. */
  async #inTime(command: Command | HelperCommand, outcome: Outcome): Promise<Outcome> {
    const durationMs = this.durationOf(command);
    const { watchdog, deadlineMs } = command;
    if (watchdog !== undefined && watchdog.afterMs < Math.min(durationMs, deadlineMs)) {
      const startedMs = this.#time;
      this.#time += watchdog.afterMs;
      if (await watchdog.shouldAbort(this.over.signal))
        return { ...outcome, status: 143, endedBy: 'watchdog' };
      this.#time = Math.max(this.#time, startedMs + Math.min(durationMs, deadlineMs));
    } else this.#time += Math.min(durationMs, deadlineMs);
    return durationMs > deadlineMs ? { ...outcome, status: 143, endedBy: 'deadline' } : outcome;
  }

  connect: MountHost['connect'] = async (address, port, { timeoutMs }) => {
    this.connections.push(`${address}:${port}`);
    const [connection, afterMs] = this.onConnect(address, port);
    const startedMs = this.#time;
    // Others connect at the same time.
    await Promise.resolve();
    this.#time = Math.max(this.#time, startedMs + Math.min(afterMs, timeoutMs));
    return afterMs >= timeoutMs ? 'silent' : connection;
  };

  sleep = async (milliseconds: number) => {
    this.#time += milliseconds;
  };
  now = () => this.#time;

  // Open files.

  /** Directories that others than root can write in. */
  readonly writable = new Set<string>();
  readonly #open = new Map<Descriptor, OpenFile>();
  #nextDescriptor = 10;

  /** The paths of what is open now. */
  get openPaths(): readonly string[] {
    return [...this.#open.values()].map(({ path }) => path);
  }

  openDirectory: MountHost['openDirectory'] = (path) =>
    this.files.get(path)?.kind === 'directory' ? this.#opened(path) : undefined;

  openIn: MountHost['openIn'] = (directory, name) => {
    const path = `${this.#openFile(directory).path}/${name}`;
    return name !== '' && this.files.has(path) ? this.#opened(path) : undefined;
  };

  statusOf: MountHost['statusOf'] = (file) => this.#openFile(file).status;

  close: MountHost['close'] = (file) => {
    this.#openFile(file);
    this.#open.delete(file);
  };

  #opened(path: string): Descriptor {
    const { kind, device, inode } = this.files.get(path) ?? { kind: 'other', device: 0, inode: 0 };
    const isRootOnly = !this.writable.has(path);
    const descriptor = this.#nextDescriptor++;
    const status = { kind, device, inode, isRootOnly, mountId: this.mountIdAt(path) };
    this.#open.set(descriptor, { path, status });
    return descriptor;
  }

  #openFile(file: Descriptor): OpenFile {
    const found = this.#open.get(file);
    if (found === undefined) throw new Error(`EBADF: ${file}`);
    return found;
  }

  /** Of the mount that a path lies on. */
  mountIdAt(path: string): number {
    const points = [...this.mounts.keys()].filter(
      (point) => point === '/' || path === point || path.startsWith(`${point}/`),
    );
    const longest = points.reduce((a, b) => (b.length > a.length ? b : a), '/');
    return this.mounts.get(longest)?.at(-1) ?? 0;
  }

  /** How a mount of this id answers; alive when left out. */
  readonly liveness = new Map<number, Liveness>();

  isAlive: MountHost['isAlive'] = async (file, limitMs) => {
    const answer = this.liveness.get(this.#openFile(file).status.mountId) ?? 'alive';
    if (answer === 'silent') this.#time += limitMs;
    return answer;
  };

  /** Whose the files are that were opened for helpers. */
  readonly owners = new Map<string, number>();

  openPlainFile: MountHost['openPlainFile'] = (directory, name, user) => {
    const path = `${this.#openFile(directory).path}/${name}`;
    if (!this.files.has(path)) this.file(path);
    if (this.files.get(path)?.kind !== 'file') return undefined;
    this.owners.set(path, user);
    const { inode } = this.files.get(path) ?? { inode: 0 };
    return { descriptor: this.#opened(path), inode, size: this.texts.get(path)?.length ?? 0 };
  };

  readEnd: MountHost['readEnd'] = (path, maximumBytes, { size }) =>
    this.texts.get(path)?.slice(size).slice(-maximumBytes);

  /** The numbers that were asked for, once for each look. */
  readonly looksAtLock: number[] = [];
  /** Whether the lock can be had, at this look and not before. */
  isLockFree: (look: number) => boolean = () => true;

  lockTarget: MountHost['lockTarget'] = (number) => this.isLockFree(this.looksAtLock.push(number));

  readonly detached: string[] = [];

  detach: MountHost['detach'] = (path) => {
    const stack = this.mounts.get(path) ?? [];
    if (stack.length === 0) throw new Error(`EINVAL: nothing is mounted on ${path}`);
    this.detached.push(path);
    if (stack.length === 1) this.mounts.delete(path);
    else this.mounts.set(path, stack.slice(0, -1));
    const lines = (this.texts.get('/proc/self/mountinfo') ?? '').split('\n');
    const others = lines.filter((line) => !line.startsWith(`${stack.at(-1)} `));
    this.texts.set('/proc/self/mountinfo', others.join('\n'));
  };

  detachFrom: MountHost['detachFrom'] = (directory) => {
    const { path } = this.#openFile(directory);
    if (!this.mounts.has(path)) return false;
    this.detach(path);
    return true;
  };

  /** By the path below /sys: what the kernel has there, and what it makes of what is written. */
  readonly kernelFiles = new Map<string, string>();
  onKernelFile: (text: string) => string = (text) => text;

  changeKernelFile: MountHost['changeKernelFile'] = (path, next) => {
    const text = this.kernelFiles.get(path);
    if (text === undefined) return { failure: 'ENOENT' };
    const wanted = next(text);
    if (wanted !== undefined) this.kernelFiles.set(path, this.onKernelFile(wanted));
    return { text: this.kernelFiles.get(path) ?? text };
  };

  // Mounts apart, and helpers.

  readonly apartRequests: ApartRequest[] = [];
  /** Called before a site is made: what it throws is why there is none. */
  onMakeApart: () => void = () => {};
  /** By the descriptor of a mount namespace: what is mounted on the place in it. */
  readonly #apart = new Map<Descriptor, ModelMount[]>();

  makeApart: MountHost['makeApart'] = (request) => {
    this.apartRequests.push(request);
    this.onMakeApart();
    const namespace = 1000 + this.#apart.size;
    this.#apart.set(namespace, []);
    return {
      kind: 'apart',
      namespace,
      mountTable: namespace,
      place: request.target,
      targetFile: request.targetFile,
    };
  };

  /** How much is mounted apart: what a call that has failed may leave, for that is gone with it. */
  get apartCount(): number {
    return [...this.#apart.values()].flat().length;
  }

  readMountTable: MountHost['readMountTable'] = ({ namespace, place }) => {
    const beneath = ['1 1 8:1 / / ro - ext4 /dev/sda rw', '2 1 0:30 / /var/lib/kubelet rw - tmpfs tmpfs rw'];
    const own = (this.#apart.get(namespace) ?? []).map((mount, index) => lineOf(50 + index, place, mount));
    return [...beneath, ...own, ''].join('\n');
  };

  /** What a helper does that mounts: apart, or on the host and in the rootfs that shares the target with it. */
  mountBy(command: Command | HelperCommand, mount: ModelMount): void {
    const site = siteOf(command);
    if (site.kind === 'apart') this.#apart.get(site.namespace)?.push(mount);
    else {
      this.mountOnHost(site.place, mount);
      this.mount(`${site.directory}${site.place}`);
    }
  }

  /** With its line in mountinfo. @returns its id. */
  mountOnHost(point: string, mount: ModelMount): number {
    const id = this.mount(point);
    const before = this.texts.get('/proc/self/mountinfo') ?? '';
    this.texts.set('/proc/self/mountinfo', `${before}${lineOf(id, point, mount)}\n`);
    return id;
  }

  /** How often a helper tells that it wants lock services, before anything else. */
  noticeCount = 0;

  runHelper: MountHost['runHelper'] = async (command): Promise<HelperRun> => {
    this.helpers.push(command);
    this.commands.push([...enteringSite(command.site), ...command.argv]);
    const guardian = command.leavesDaemon ? this.#guard(command) : undefined;
    for (let notice = 0; notice < this.noticeCount; notice += 1) command.onNotice?.();
    // Until nothing is left to do about them: a model's commands take no real time.
    await new Promise((resolve) => setImmediate(resolve));
    if (command.signal?.aborted) return { status: 143, endedBy: 'interrupt', output: '', guardian };
    return { ...(await this.#inTime(command, this.#outcomeOf(command))), guardian };
  };

  /** What guardians were told, in order. */
  readonly orders: ('attach' | 'release' | 'end')[] = [];
  /** The pids of what a guardian leaves to itself. */
  daemons: readonly number[] = [];

  #guard({ site }: HelperCommand): Guardian {
    const leave = async (order: 'attach' | 'release', failure?: string): Promise<Left> => {
      this.orders.push(order);
      return { failure, daemons: failure === undefined ? this.daemons : [] };
    };
    return {
      attach: async () => leave('attach', site.kind === 'apart' ? this.attach(site) : 'EINVAL'),
      release: () => leave('release'),
      end: async () => {
        this.orders.push('end');
        if (site.kind === 'chroot') this.detachFrom(site.targetFile);
      },
    };
  }

  /** The name of the errno that attaching fails with. */
  attachFailure: string | undefined;

  attach: MountHost['attach'] = ({ namespace, targetFile }: ApartSite) => {
    const { path } = this.#openFile(targetFile);
    const mount = this.#apart.get(namespace)?.pop();
    // What was taken from there, and came nowhere, is gone.
    if (mount === undefined || this.attachFailure !== undefined) return this.attachFailure ?? 'EINVAL';
    this.mountOnHost(path, mount);
    return undefined;
  };
}

/** The mount namespace that the model is, as /proc names it. */
export const ownMounts = 'mnt:[1]';

function lineOf(id: number, point: string, mount: ModelMount): string {
  const { source, fstype, device = '0:50', mountOptions = 'rw', superOptions = 'rw' } = mount;
  return `${id} 1 ${device} / ${point} ${mountOptions} - ${fstype} ${source} ${superOptions}`;
}

function siteOf(command: Command | HelperCommand): HelperCommand['site'] {
  if ('site' in command) return command.site;
  throw new Error('only a helper mounts');
}

/** A command as the programs of a host would run it, for comparison. */
function entering(inside: RootfsEntrance): readonly string[] {
  if (inside.kind === 'chroot') return ['/usr/bin/chroot', inside.directory];
  return ['/usr/bin/nsenter', `--mount=${inside.file}`, '--'];
}

/** No program does what the front does for a mount apart. */
function enteringSite(site: HelperCommand['site']): readonly string[] {
  return site.kind === 'chroot' ? entering(site) : ['apart'];
}
