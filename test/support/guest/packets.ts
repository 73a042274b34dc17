import './guest.ts';
import { execa } from 'execa';

/**
 * Sends every packet for `address` to a hardware address that nobody has: connections to it get no answer at
 * all, as from a machine without power. For an address that never was there, any in the device's network.
 */
export async function dropPackets(device: string, address: string): Promise<void> {
  const nobody = ['lladdr', '02:00:00:00:00:99', 'dev', device, 'nud', 'permanent'];
  await execa('ip', ['neighbour', 'replace', address, ...nobody]);
}

export async function passPackets(device: string, address: string): Promise<void> {
  await execa('ip', ['neighbour', 'delete', address, 'dev', device]);
}
