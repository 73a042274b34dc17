import { lastOption, parseOptions } from '../../arguments/options.ts';
import { askAll, askServer } from '../../probe/ask-server.ts';
import { askPort, type Inquiry, portNumber } from '../../probe/inquiry.ts';
import type { ProbeAnswer } from '../../probe/probe-failure.ts';
import type { Asked, FilesystemProbe } from '../filesystem-driver.ts';
import { glusterfsServers } from './source.ts';

/** glusterd(8)'s, unless `server-port=` names another. */
const glusterdPort = '24007';

export const glusterfsProbe: FilesystemProbe = (asked) => {
  const about = glusterfsQuestion(asked);
  return about && { about, ask: (inquiry) => askGlusterfs(about, inquiry) };
};

interface GlusterfsQuestion {
  readonly servers: readonly string[];
  readonly port: number;
  /** No option has chosen between IPv4 and IPv6. */
  readonly isFamilyFree: boolean;
}

/** @returns undefined where TCP says nothing about it, or the servers cannot be told. */
function glusterfsQuestion(asked: Asked): GlusterfsQuestion | undefined {
  const parsed = parseOptions(asked.options);
  const port = portNumber(lastOption(parsed, 'server-port')?.value ?? glusterdPort);
  const servers = glusterfsServers(asked);
  const isFamilyFree = !asked.options.includes('address-family');
  const isRdma = lastOption(parsed, 'transport')?.value === 'rdma' || /\.rdma(\/|$)/.test(asked.source);
  return port === undefined || servers === undefined || isRdma ? undefined : { servers, port, isFamilyFree };
}

/** Whether one of the servers that hand out the volume can be reached: the first, or any of its backups. */
function askGlusterfs(
  { servers, port, isFamilyFree }: GlusterfsQuestion,
  inquiry: Inquiry,
): Promise<ProbeAnswer> {
  return askAll([...new Set(servers)], inquiry, (server, part) =>
    askServer(
      server,
      (address, own) => askPort(server, address, port, own),
      part,
      isFamilyFree ? 'IPv4' : undefined,
    ),
  );
}
