import { lastOption, parseOptions } from '../../arguments/options.ts';
import type { MountPlan } from '../../plan.ts';
import { askAll } from '../../probe/ask-all.ts';
import { askServer } from '../../probe/ask-server.ts';
import { askPort, type Inquiry, portNumber } from '../../probe/inquiry.ts';
import type { ProbeAnswer } from '../../probe/probe-failure.ts';
import { glusterfsServers } from './glusterfs.ts';

/** glusterd(8)'s, unless `server-port=` names another. */
const glusterdPort = '24007';

/** Whether one of the servers that hand out the volume can be reached: the first, or any of its backups. */
export async function askGlusterfs({ source, options }: MountPlan, inquiry: Inquiry): Promise<ProbeAnswer> {
  const question = glusterfsQuestion(source, options);
  if (question === undefined) return undefined;
  const { servers, port } = question;
  return askAll([...new Set(servers)], inquiry, (server, part) =>
    askServer(server, (address, own) => askPort(server, address, port, own), part),
  );
}

/** What a mount asks GlusterFS servers. */
export interface GlusterfsQuestion {
  readonly servers: readonly string[];
  readonly port: number;
}

/** @returns undefined where TCP says nothing about it, or the servers can't be told. */
export function glusterfsQuestion(source: string, options: string): GlusterfsQuestion | undefined {
  const parsed = parseOptions(options);
  const port = portNumber(lastOption(parsed, 'server-port')?.value ?? glusterdPort);
  const servers = glusterfsServers(source, options);
  const isRdma = lastOption(parsed, 'transport')?.value === 'rdma' || /\.rdma(\/|$)/.test(source);
  return port === undefined || servers === undefined || isRdma ? undefined : { servers, port };
}
