// A DNS server that answers what a test wants: pebble-challtestsrv with all of its other servers off.
// Pebble asks it by TCP.

import { programPath } from '../../setup.mjs';
import { canConnect, freePort } from '../ports.ts';
import { startPart } from '../process.ts';
import { request } from '../request.ts';

export interface Dns {
  /** host:port, for UDP and TCP */
  address: string;
  /** Its management API, e.g. set-txt: `{ host: '_acme-challenge.a.test.', value }`. */
  manage(verb: string, body: object): Promise<void>;
  /** answers A queries for `host` by `ipv4` */
  addHost(host: string, ipv4: string): Promise<void>;
  log(): string;
  stop(): Promise<void>;
}

/** @param ipv4 the answer for every name (there are no AAAA records: Pebble would prefer them) */
export async function startDns({ ipv4 = '127.0.0.1' } = {}): Promise<Dns> {
  const address = `127.0.0.1:${await freePort()}`;
  const managementUrl = `http://127.0.0.1:${await freePort()}`;
  const off = ['-http01', '', '-https01', '', '-tlsalpn01', '', '-doh', ''];
  const manage = async (verb: string, body: object) => {
    const { status } = await request(`${managementUrl}/${verb}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    if (status !== 200) throw new Error(`challtestsrv answered ${verb} by ${status}`);
  };
  const part = await startPart({
    name: 'challtestsrv',
    command: programPath('challtestsrv'),
    args: [
      ...['-dnsserver', address, '-management', new URL(managementUrl).host],
      ...['-defaultIPv4', ipv4, '-defaultIPv6', ''],
      ...off,
    ],
    // its servers start side by side
    probe: async () => (await canConnect(address)) && (await canConnect(new URL(managementUrl).host)),
  });
  const addHost = (host: string, ip: string) => manage('add-a', { host, addresses: [ip] });
  return { address, manage, addHost, log: part.log, stop: part.stop };
}
