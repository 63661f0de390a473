/**
 * Where a URL may lead that somebody else has named: a CA (RFC 8555 §10.4, server-side request forgery), a certificate. The address is
 * checked by the socket that connects to it, so that no name can resolve to another one in between.
 */
import { type LookupAddress, type LookupOptions, lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { isPrivateAddress, isPublicAddress } from '#common/public-address.ts';

export interface Reach {
  /** Addresses of private networks, too, and any port: they are named by a CA that is there itself. */
  allowsPrivate: boolean;
  /** What the operator has configured: its port is no stranger's choice. */
  own?: URL | undefined;
}

/**
 * The message says what was named, what is wanted, and, where the operator may allow it, how; it contains no more of the URL than the host.
 */
export class OutOfReach extends Error {
  override name = 'OutOfReach';
  /** With `acme.allowPrivate` it would be asked. */
  readonly isAllowable: boolean;
  constructor(seen: string, isAllowable = false) {
    super(
      `not asked: ${seen}${isAllowable ? '; a CA of a private network needs acme.allowPrivate: true' : ''}`,
    );
    this.isAllowable = isAllowable;
  }
}

/**
 * Options of a request to `url`, by which it goes nowhere else.
 * @throws OutOfReach where the URL itself shows it
 */
export function reaching(url: URL, reach: Reach): { lookup: LookupFunction } {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (url.username !== '' || url.password !== '') {
    throw new OutOfReach(`wanted a URL without user and password, saw one of ${host}`);
  }
  const isOwnPort = reach.own?.hostname === url.hostname && reach.own.port === url.port;
  if (!reach.allowsPrivate && !isOwnPort && !['', '80', '443'].includes(url.port)) {
    throw new OutOfReach(`wanted port 80 or 443, saw ${url.port} of ${host}`, true);
  }
  if (isIP(host) !== 0 && !isWithin(host, reach)) throw refusal(host, [host], reach);
  return { lookup: (name, options, done) => lookUp(reach, name, options, done) };
}

/** Whether an address may be connected to. */
export function isWithin(address: string, { allowsPrivate }: Reach): boolean {
  return isPublicAddress(address) || (allowsPrivate && isPrivateAddress(address));
}

function lookUp(
  reach: Reach,
  name: string,
  options: LookupOptions,
  done: Parameters<LookupFunction>[2],
): void {
  lookup(name, { ...options, all: true }, (error, found: LookupAddress[]) => {
    const within = error === null ? found.filter(({ address }) => isWithin(address, reach)) : [];
    const [first] = within;
    if (error !== null) done(error, '');
    else if (first === undefined) {
      const addresses = found.map(({ address }) => address);
      done(refusal(name, addresses, reach), '');
    } else if (options.all === true) done(null, within);
    else done(null, first.address, first.family);
  });
}

function refusal(name: string, addresses: readonly string[], { allowsPrivate }: Reach): OutOfReach {
  const saw = name === addresses[0] ? name : `${name} (${addresses.slice(0, 4).join(', ') || 'no address'})`;
  const wanted = allowsPrivate ? 'a public address, or one of a private network' : 'a public address';
  return new OutOfReach(`wanted ${wanted}, saw ${saw}`, !allowsPrivate && addresses.some(isPrivateAddress));
}
