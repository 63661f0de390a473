/** An address of a bind, as `haproxy.handshake` names it, in the words of HAProxy's `bind`. */
import { isIP, isIPv6 } from 'node:net';

/** How a client reaches a bind. */
export type BindAddress = { takesProxy: boolean } & (
  | { kind: 'tcp'; host: string; port: number }
  /** `path` begins with a NUL byte where the socket is of the abstract namespace of Linux. */
  | { kind: 'unix'; path: string }
);

/** Before the address of a bind that expects a PROXY header. */
const PROXY_PREFIX = 'proxy@';
/** `sun_path` of unix(7). */
const ABSTRACT_BYTES = 108;

const TCP = /^(?:ipv[46]@)?(?:\[([^\]]+)\]|([^\s/@[\]]*)):(\d{1,5})$/;
const PATH = /^(?:unix@)?(\/[^\0]+)$/;
const ABSTRACT = /^abns(z?)@([^\0]+)$/;
/** An IPv4 address in an IPv6 one (RFC 4291 §2.5.5.2), as people write it and as `URL` does. */
const MAPPED = /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i;
const HOST_NAME = /^[A-Za-z0-9._-]+$/;

/** @returns undefined for what no client reaches over a stream: `quic4@`, `fd@`, `sockpair@`, a range of ports */
export function parseAddress(text: string): BindAddress | undefined {
  const takesProxy = text.startsWith(PROXY_PREFIX);
  const address = takesProxy ? text.slice(PROXY_PREFIX.length) : text;
  const path = PATH.exec(address)?.[1];
  if (path !== undefined) return { takesProxy, kind: 'unix', path };
  const [, isShort, name] = ABSTRACT.exec(address) ?? [];
  // `abns` fills the name up with NUL bytes, `abnsz` (since 3.1) does not.
  if (name !== undefined) {
    const socket = `\0${name}`;
    return { takesProxy, kind: 'unix', path: isShort ? socket : socket.padEnd(ABSTRACT_BYTES, '\0') };
  }
  const [, inBrackets, plain = '', digits] = TCP.exec(address) ?? [];
  const port = Number(digits);
  const host = inBrackets ?? plain;
  const isHost = inBrackets === undefined ? isIP(host) === 4 || HOST_NAME.test(host) : isIPv6(host);
  if (digits === undefined || port > 65_535) return undefined;
  if (isHost) return { takesProxy, kind: 'tcp', host: plainAddress(host), port };
  // HAProxy itself takes an IPv6 address without brackets, and no address at all.
  if (inBrackets !== undefined) return undefined;
  const bare = ['', '*'].includes(plain) ? '127.0.0.1' : plain;
  return isIP(bare) === 0 ? undefined : { takesProxy, kind: 'tcp', host: plainAddress(bare), port };
}

/** An IPv4 address that is written as one of IPv6 is one of IPv4: the kernel makes the connection over IPv4. */
export function plainAddress(host: string): string {
  const [, dotted, high, low] = MAPPED.exec(host) ?? [];
  if (dotted !== undefined) return dotted;
  if (high === undefined || low === undefined) return host;
  const bytes = [high, low].flatMap((word) => [
    Number.parseInt(word, 16) >> 8,
    Number.parseInt(word, 16) & 255,
  ]);
  return bytes.join('.');
}
