// What pebble-challtestsrv is told over HTTP, wherever it runs.
import { request } from '../request.ts';

export interface DnsManagement {
  managementUrl: string;
  /** Its management API, e.g. set-txt: `{ host: '_acme-challenge.a.test.', value }`. */
  manage(verb: string, body: object): Promise<void>;
  /** answers A queries for `host` by `ipv4` */
  addHost(host: string, ipv4: string): Promise<void>;
}

export function dnsManagement(managementUrl: string): DnsManagement {
  const manage = async (verb: string, body: object) => {
    const { status } = await request(`${managementUrl}/${verb}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    if (status !== 200) throw new Error(`challtestsrv answered ${verb} by ${status}`);
  };
  return { managementUrl, manage, addHost: (host, ipv4) => manage('add-a', { host, addresses: [ipv4] }) };
}

/** Its arguments for a DNS server and nothing else. There are no AAAA records: CAs would prefer them. */
export const dnsArguments = (address: string, managementAddress: string, ipv4: string): string[] => [
  ...['-dnsserver', address, '-management', managementAddress],
  ...['-defaultIPv4', ipv4, '-defaultIPv6', ''],
  ...['-http01', '', '-https01', '', '-tlsalpn01', '', '-doh', ''],
];
