// A DNS server that answers what a test wants: pebble-challtestsrv with all of its other servers off.
// Pebble asks it by TCP.

import { programPath } from '../../setup.mjs';
import { canConnect, freePort } from '../ports.ts';
import { startPart } from '../process.ts';
import { type DnsManagement, dnsArguments, dnsManagement } from './dns-management.ts';

export interface Dns extends DnsManagement {
  /** host:port, for UDP and TCP */
  address: string;
  log(): string;
  stop(): Promise<void>;
}

/**
 * @param host an IP address of this machine where it listens
 * @param ipv4 the answer for every name
 */
export async function startDns({ host = '127.0.0.1', ipv4 = '127.0.0.1' } = {}): Promise<Dns> {
  const address = `${host}:${await freePort()}`;
  const managementAddress = `${host}:${await freePort()}`;
  const part = await startPart({
    name: 'challtestsrv',
    command: programPath('challtestsrv'),
    args: dnsArguments(address, managementAddress, ipv4),
    // its servers start side by side
    probe: async () => (await canConnect(address)) && (await canConnect(managementAddress)),
  });
  return { address, ...dnsManagement(`http://${managementAddress}`), log: part.log, stop: part.stop };
}
