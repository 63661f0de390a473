/**
 * Whether an address is one of this machine. One that is not (a virtual address whose VRRP master is another host, with
 * `ip_nonlocal_bind` or a `transparent` bind) leads to another host: its handshake would prove what that one serves.
 */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { plainAddress } from './address.ts';

/** RFC 1122 §3.2.1.3; RFC 4291 §2.5. A connection to the unspecified address is one to this machine. */
const ALWAYS = new BlockList();
ALWAYS.addSubnet('127.0.0.0', 8, 'ipv4');
ALWAYS.addAddress('0.0.0.0', 'ipv4');
ALWAYS.addAddress('::1', 'ipv6');
ALWAYS.addAddress('::', 'ipv6');

/**
 * @param host a name or an IP address, with a zone (`fe80::1%eth0`) or without
 * @returns those of its addresses that are of this machine
 * @throws NodeJS.ErrnoException of the resolver
 */
export async function localAddressesOf(host: string): Promise<string[]> {
  const addresses =
    isIP(host) === 0 ? (await lookup(host, { all: true })).map(({ address }) => address) : [host];
  const local = await Promise.all(addresses.map(isLocal));
  return addresses.filter((_, index) => local[index]);
}

async function isLocal(text: string): Promise<boolean> {
  const [address = ''] = plainAddress(text).split('%');
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  if (ALWAYS.check(address, family)) return true;
  const own = new BlockList();
  for (const { address: other, family: version } of Object.values(networkInterfaces()).flatMap(
    (some) => some ?? [],
  )) {
    own.addAddress(other.split('%')[0] ?? '', version === 'IPv6' ? 'ipv6' : 'ipv4');
  }
  return own.check(address, family) || (await isSourceOfItself(address));
}

/**
 * A route of type `local` (`ip route add local 192.0.2.0/24 dev lo`) gives the machine addresses that no interface has:
 * the kernel takes such an address as the source of what goes there. No packet is sent.
 */
function isSourceOfItself(address: string): Promise<boolean> {
  const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4');
  return new Promise((resolve) => {
    const end = (isOwn: boolean) => {
      socket.close();
      resolve(isOwn);
    };
    // Without a route there is none to this machine either.
    socket.once('error', () => end(false));
    socket.once('connect', () => end(socket.address().address === address));
    // Any port: nothing is sent to it.
    socket.connect(9, address);
  });
}
