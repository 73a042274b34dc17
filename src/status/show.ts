import { type Colour, table } from '../columns.ts';
import { verdictWords } from '../doctor/verdict.ts';
import { shortDigest } from '../image/digest.ts';
import type { ServiceDaemon } from '../services/find-daemons.ts';
import { serviceOf } from '../services/services.ts';
import type { LockServicesState } from '../services/state.ts';
import { type NodeStatus, type SeenVolume, seenStates } from './node.ts';

/** What `mounter status` says of the node to people. @param width of the terminal; undefined for whole lines. */
export function describeNode(node: NodeStatus, width?: number): string {
  const isNarrow = width !== undefined && width < narrow;
  const named = (digest: string) => (isNarrow ? shortDigest(digest) : digest);
  const facts = table(
    [
      ...nodeFacts(node, named),
      ...serviceFacts(node),
      ...(node.volumes.length === 0
        ? []
        : [['volumes', countStates(node.volumes)], ...countShortfalls(node.volumes)]),
    ],
    width,
    { colourOf: (cell, column) => (column === 1 ? factColour(cell) : undefined) },
  );
  const mounts = table(
    [
      ['STATE', 'HOST', 'IN THE ROOTFS', 'KIND', 'PROPAGATION'],
      ...node.mounts.map((m) => [m.state, m.host ?? '-', m.rootfs, `${m.type} ${m.access}`, m.propagation]),
    ],
    width,
    { names: [1, 2], colourOf: stateColour },
  );
  const volumes = table(
    [
      ['STATE', 'SOURCE', 'TYPE', ...(isNarrow ? [] : ['ENTRIES', 'DAEMON']), 'TARGET'],
      ...node.volumes.map((v) => [
        inWords(v.state),
        v.source,
        v.fstype,
        ...(isNarrow ? [] : [String(v.entries), v.daemon === null ? '-' : String(v.daemon)]),
        v.target,
      ]),
    ],
    width,
    { names: [1, isNarrow ? 3 : 5], colourOf: stateColour },
  );
  return `${facts}\n${node.mounts.length === 0 || !node.isEnabled ? '' : `${mounts}\n`}${node.volumes.length === 0 ? 'no volumes mounted\n' : volumes}`;
}

/** A name and what it is in each row, or what the row above has more of. */
type Facts = readonly (readonly string[])[];

/** What is installed, and whether it can mount. @param named how a digest is shown. */
export function nodeFacts(node: NodeStatus, named = (digest: string) => digest): Facts {
  return [
    ...(node.offBy === null
      ? []
      : [['enabled', `no: ${node.offBy}; mounter mount is the host's own mount(8)`]]),
    ...describeVerdict(node),
    ['home', node.home],
    ['executable', node.executable ?? 'missing: run mounter install SOURCE'],
    ['rootfs', node.digest === null ? 'none: run mounter install SOURCE' : named(node.digest)],
    ...(node.reference === null ? [] : [['', `from ${node.reference}`]]),
    ...(node.versions.length === 0 ? ['none'] : node.versions.map(named)).map((one, index) => [
      index === 0 ? 'versions' : '',
      one,
    ]),
    ...(node.isEnabled ? describePreparation(node) : []),
  ];
}

/** The services of the node that mounts need. */
export function serviceFacts(node: NodeStatus): Facts {
  return node.isEnabled
    ? [...describeLocks(node.lockServices), ...describeSecurity(node.securityServices)]
    : [];
}

/** Columns below which a terminal has no place for what few ask for: entries of the mount table, and daemons. */
const narrow = 110;

const stateColours: Readonly<Record<string, Colour>> = {
  ...Object.fromEntries([...seenStates.map(inWords), 'missing'].map((state) => [state, 'red'])),
  ...Object.fromEntries(['alive', 'ok'].map((state) => [state, 'green'])),
  ...Object.fromEntries(['not asked', 'unknown'].map((state) => [state, 'yellow'])),
};

function stateColour(cell: string, column: number): Colour | undefined {
  return column === 0 ? stateColours[cell] : undefined;
}

/** Of an answer to one of the questions above the tables. */
function factColour(answer: string): Colour | undefined {
  if (/^(mounts would work|yes$)/.test(answer)) return 'green';
  return /^(mounts .*would fail$|no: )/.test(answer) ? 'red' : undefined;
}

/** One reason, that for all types before others; doctor has all of them. */
function describeVerdict({ verdict, failing }: NodeStatus): Facts {
  const first = failing.find(({ types }) => types === undefined) ?? failing[0];
  const more = failing.length < 2 ? '' : ` (mounter doctor has ${failing.length - 1} more)`;
  return [
    ...(verdict.node === 'off' ? [] : [['verdict', verdictWords(verdict)]]),
    ...(first === undefined ? [] : [['', `${first.subject}: ${first.message}; ${first.hint}${more}`]]),
  ];
}

function describePreparation({ isPrepared, enter }: NodeStatus): Facts {
  if (enter === null) return []; // Without settings nobody knows.
  const answer = isPrepared ? 'yes' : 'no: run mounter prepare';
  if (!enter.inUse || enter.inUse === enter.wanted) return [['prepared', answer]];
  return [
    ['prepared', answer],
    ['', `by "enter": "${enter.inUse}"; mounter prepare changes it to "${enter.wanted}"`],
  ];
}

/** `9 alive, 1 dead`: the one among thousands is seen at once. */
function countStates(volumes: readonly SeenVolume[]): string {
  const counts = seenStates.map((state) => [state, volumes.filter((v) => v.state === state).length] as const);
  const found = counts.filter(([, count]) => count > 0);
  const words = found.map(([state, count]) => `${count} ${inWords(state)}`).join(', ');
  return found.every(([state]) => state === 'alive' || state === 'unknown')
    ? words
    : `${words}: run mounter doctor`;
}

function countShortfalls(volumes: readonly SeenVolume[]): Facts {
  const count = volumes.filter(({ lessThanAsked }) => lessThanAsked.length > 0).length;
  return count === 0
    ? []
    : [['', `${count} with less than was asked for: mounter status --volumes says what`]];
}

function inWords(state: SeenVolume['state']): string {
  return state === 'not-asked' ? 'not asked' : state;
}

function describeLocks(locks: NodeStatus['lockServices']): Facts {
  if (locks === null) return [['locks', 'unknown: the node is not prepared']];
  const runsNone = locks.rpcbind === null && locks.statd === null;
  return [
    ['rpcbind', describeDaemon(locks.rpcbind, locks.portmapperAnswers ? [] : ['does not answer'])],
    ...locks.surplusRpcbinds.map((one) => ['', `${describeDaemon(one, [])}: one too many`]),
    ['rpc.statd', describeDaemon(locks.statd, locks.statdRegistered ? [] : ['unknown to rpcbind'])],
    ['port 111', describePort(locks)],
    [
      'locks',
      locks.statdAnswers
        ? 'answer'
        : `${runsNone ? 'nothing runs for them' : 'do not answer'}; started by the first NFSv3 mount with locks`,
    ],
  ];
}

/** Those that run: no other mount has need of them. */
function describeSecurity(states: NodeStatus['securityServices']): Facts {
  return (states ?? [])
    .filter(({ daemon }) => daemon !== null)
    .map(({ service, daemon, answers }) => [
      serviceOf(service).title,
      describeDaemon(daemon, answers ? [] : ['does not answer']),
    ]);
}

const portWords: Readonly<Record<LockServicesState['listening'], string>> = {
  nowhere: 'closed',
  loopback: 'open to this node alone',
  any: 'open to other machines',
};

function describePort({ listening, listeningByUdp }: LockServicesState): string {
  if (listening === listeningByUdp) return portWords[listening];
  return `${portWords[listening]} by TCP, ${portWords[listeningByUdp]} by UDP`;
}

function describeDaemon(daemon: ServiceDaemon | null, faults: readonly string[]): string {
  if (daemon === null) return 'not running';
  const owner = daemon.owner === 'rootfs' ? 'of the rootfs' : "the host's own";
  return [`process ${daemon.pid}`, owner, ...faults].join(', ');
}
