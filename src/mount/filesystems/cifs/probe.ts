import { lastOption, parseOptions } from '../../arguments/options.ts';
import { askServer } from '../../probe/ask-server.ts';
import { askPort, type Inquiry, portNumber } from '../../probe/inquiry.ts';
import { type ProbeAnswer, whenAllRefuse } from '../../probe/probe-failure.ts';
import type { Asked, FilesystemProbe } from '../filesystem-driver.ts';
import { passwordsApart } from './options.ts';
import { cifsServers } from './source.ts';

/** The kernel tries them in this order, unless `port=` names another: SMB over TCP, and over NetBIOS. */
const usualPorts = [445, 139];

export const cifsProbe: FilesystemProbe = (asked) => {
  const about = cifsQuestion(asked);
  return about && { about, ask: (inquiry) => askCifs(about, inquiry) };
};

interface CifsQuestion {
  readonly server: string;
  readonly ports: readonly number[];
}

/** @returns undefined where TCP says nothing about it. */
function cifsQuestion(asked: Asked): CifsQuestion | undefined {
  const [server] = cifsServers(asked) ?? [];
  const parsed = parseOptions(passwordsApart(asked.options).rest);
  const given = lastOption(parsed, 'port')?.value;
  const port = given === undefined ? undefined : portNumber(given);
  if (server === undefined || lastOption(parsed, 'rdma') !== undefined) return undefined;
  if (given !== undefined && port === undefined) return undefined;
  return { server, ports: port === undefined ? usualPorts : [port] };
}

function askCifs({ server, ports }: CifsQuestion, inquiry: Inquiry): Promise<ProbeAnswer> {
  const askAddress = async (address: string, part: Inquiry) => {
    const answers = await Promise.all(ports.map((port) => askPort(server, address, port, part)));
    // What the first port met is what the user has to mend.
    return whenAllRefuse(answers) === undefined ? undefined : answers[0];
  };
  return askServer(server, askAddress, inquiry);
}
