// The outside of a fleet: a real DNS server, and a real HAProxy with a bind on each of many addresses of loopback, one port for all.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { startDeadline } from '#common/deadline.ts';
import { digest, keyTypeOf, parse } from '#contract/combined-pem.ts';
import { type CertificateName, certificateName, type FleetName, fleetName } from '#contract/layout.ts';
import type { PemRef } from '#contract/manifest.ts';
import { type Background, type ProbeContext, probeAll } from '../../lambda/probe/probe.ts';
import { resolverOf } from '../../lambda/probe/resolve.ts';
import type { ProbeTarget } from '../../lambda/probe/target.ts';
import { startDns } from './parts/dns.ts';
import { startHaproxy } from './parts/haproxy.ts';
import type { IssuedLeaf } from './parts/pki.ts';
import { freePort } from './ports.ts';
import { makeTempDir } from './temp-dir.ts';

export const probedFleet: FleetName = fleetName.parse('default');

/** What stands behind one address: PEMs by file name, and words of the bind. */
export interface Behind {
  address: string;
  pems: Record<string, string>;
  words?: string;
}

/** Binds on an address without `pems` speak HTTP, not TLS. */
export async function startOutside(t: TestContext, behind: readonly Behind[]) {
  const dns = await startDns({ ipv4: '' });
  t.after(dns.stop);
  const directory = makeTempDir();
  t.after(directory.remove);
  const port = await freePort();
  const binds = behind.map(({ address, pems, words = '' }, index) => {
    const certs = join(directory.path, String(index));
    mkdirSync(certs);
    for (const [file, pem] of Object.entries(pems)) writeFileSync(join(certs, file), pem, { mode: 0o600 });
    const tls = Object.keys(pems).length === 0 ? '' : `ssl crt ${certs}/ ${words}`;
    return `  bind ${address.includes(':') ? `[${address}]` : address}:${port} ${tls}`;
  });
  const configText = `global
  stats socket \${PEMFLEET_SOCKET} mode 600 level admin
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend outside
${binds.join('\n')}
  http-request return status 200
`;
  const haproxy = await startHaproxy({ version: '3.2', configText });
  t.after(haproxy.stop);
  const point = async (host: string, addresses: readonly string[]) => {
    const ipv6 = addresses.filter((one) => one.includes(':'));
    const ipv4 = addresses.filter((one) => !one.includes(':'));
    if (ipv4.length > 0) await dns.manage('add-a', { host, addresses: ipv4 });
    if (ipv6.length > 0) await dns.manage('add-aaaa', { host, addresses: ipv6 });
  };
  return { dns, haproxy, port, point, directory: directory.path };
}

export function refOf({ combined }: Pick<IssuedLeaf, 'combined'>): PemRef {
  const { leaf, chain } = parse(combined);
  return {
    sha256: digest(combined),
    size: combined.length,
    keyType: keyTypeOf(leaf.publicKey),
    serial: leaf.serialNumber,
    notBefore: new Date(leaf.validFrom).toISOString(),
    notAfter: new Date(leaf.validTo).toISOString(),
    chainLength: chain.length,
  };
}

export function targetOf(
  name: string,
  wanted: readonly IssuedLeaf[],
  changes: Partial<ProbeTarget> = {},
): ProbeTarget {
  const certificate: CertificateName = certificateName.parse(name.replace(/^\*/, '_').replaceAll(':', '-'));
  return {
    ...{
      fleet: probedFleet,
      certificate,
      name,
      wanted: wanted.map(refOf),
      isFresh: false,
      former: new Set(),
    },
    ...changes,
  };
}

interface Outside {
  dns: { address: string };
  port: number;
}

/** @param background of all targets */
export function probe(
  { dns, port }: Outside,
  targets: readonly ProbeTarget[],
  background: Background,
  changes: Partial<ProbeContext['settings']> = {},
) {
  const settings = {
    port,
    fleets: [],
    allowPrivate: true,
    concurrency: 10,
    timeoutSeconds: 5,
    ...changes,
  };
  const deadline = startDeadline(60_000);
  const context: ProbeContext = {
    settings,
    resolve: resolverOf([dns.address]),
    backgroundOf: async (target) => ({
      ...background,
      former: new Set([...background.former, ...target.former]),
    }),
    deadline,
    now: () => new Date(),
  };
  return probeAll(context, targets).finally(() => deadline.clear());
}
