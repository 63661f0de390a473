/** What visitors get: handshakes with the binds of HAProxy before and after a reload. */
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { atMost } from '#common/in-parallel.ts';
import { clientContextOf, type KeyKind } from '../../probe/handshake.ts';

const TIMEOUT_MS = 5_000;
const AT_ONCE = 8;
const MAX_NAMES = 50;

export interface VisitorView {
  address: string;
  name: string | undefined;
  /** Fingerprint of the certificate; undefined: no handshake. */
  certificate: string | undefined;
}

/** @param addresses as `haproxy.handshake` has them @param names of which the first ones are asked for, and none */
export async function askAsVisitors(
  addresses: readonly string[],
  names: readonly string[],
): Promise<VisitorView[]> {
  const asked = [undefined, ...names.filter((name) => !isIP(name)).slice(0, MAX_NAMES)];
  const pairs = addresses.flatMap((address) =>
    asked.map((name) => ({ address, name: name?.replace(/^\*\./, 'pemfleet-init.') })),
  );
  const limited = atMost(AT_ONCE);
  return Promise.all(
    pairs.map((pair) =>
      limited(async () => ({ ...pair, certificate: await fingerprintAt(pair.address, pair.name) })),
    ),
  );
}

/** Who had a certificate before and has another one, or none, now. @param isChangeMeant only who has none */
export function changedViews(
  before: readonly VisitorView[],
  after: readonly VisitorView[],
  { isChangeMeant }: { isChangeMeant: boolean },
): string[] {
  return before.flatMap(({ certificate, address, name }, index) => {
    const now = after[index]?.certificate;
    if (certificate === undefined || certificate === now) return [];
    if (isChangeMeant && now !== undefined) return [];
    const what =
      now === undefined
        ? 'no handshake'
        : "another certificate (where that is no aim, a file of pemfleet's directory has the same name: move it away)";
    return [`${name ?? 'a visitor without a name'} gets ${what} at ${address}`];
  });
}

/** @returns undefined: no handshake. @param kind of the key that the client takes */
export function fingerprintAt(
  address: string,
  name: string | undefined,
  kind: KeyKind = 'any',
): Promise<string | undefined> {
  const isProxied = address.startsWith('proxy@');
  const target = address.replace(/^proxy@/, '');
  return new Promise((resolve) => {
    const socket = connectTcp(optionsOf(target), () => {
      if (isProxied) socket.write('PROXY UNKNOWN\r\n');
      const options = { socket, servername: name ?? '', secureContext: clientContextOf(kind) };
      const tls = connectTls({ ...options, rejectUnauthorized: false }, () => {
        const { fingerprint256 } = tls.getPeerCertificate();
        tls.destroy();
        resolve(fingerprint256);
      });
      tls.on('error', () => resolve(undefined));
      tls.on('close', () => resolve(undefined));
    });
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
    socket.on('error', () => resolve(undefined));
    socket.on('close', () => resolve(undefined));
  });
}

function optionsOf(address: string): { host: string; port: number } | { path: string } {
  const path = /^(?:unix@)?(\/.+)$/.exec(address)?.[1];
  if (path !== undefined) return { path };
  const abstract = /^abns@(.+)$/.exec(address)?.[1];
  if (abstract !== undefined) return { path: `\0${abstract}`.padEnd(108, '\0') };
  const at = address.lastIndexOf(':');
  return {
    host: address.slice(0, at).replace(/^\[|\]$/g, '') || '127.0.0.1',
    port: Number(address.slice(at + 1)),
  };
}
