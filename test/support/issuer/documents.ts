/** Made-up pieces of the issuing side, each whole, so that a test names only what it is about. */
import { DAY_MS } from '#common/time.ts';
import type { HostStatus } from '#contract/host-status.ts';
import { certificateName, type FleetName, fleetName, hostName } from '#contract/layout.ts';
import { emptyManifest, type ManifestEntry, type PemRef } from '#contract/manifest.ts';
import type { CertificateSpec, Config } from '../../../lambda/config/config.ts';
import { parseConfig } from '../../../lambda/config/yaml.ts';
import type { LegRecord, OrderRecord } from '../../../lambda/order/record.ts';
import type { DueInput } from '../../../lambda/pass/due.ts';
import type { ReadManifest } from '../../../lambda/publication/read-manifest.ts';
import { after, noon } from '../clock.ts';

export const DIRECTORY_URL = 'https://ca.test/directory';
export const named = (name: string) => certificateName.parse(name);
export const fleet = fleetName.parse('default');

export function makeSpec(changes: Partial<CertificateSpec> = {}): CertificateSpec {
  return {
    name: named('a.test'),
    identifiers: ['a.test'],
    challenge: ['http-01'],
    keyTypes: ['ec256'],
    reuseKey: false,
    fleets: [fleet],
    ...changes,
  };
}

export function makeConfig(certificates: object[], changes: object = {}): Config {
  const acme = { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true };
  return parseConfig(
    'pemfleet.yaml',
    JSON.stringify({ bucket: 'file:///memory', acme, certificates, ...changes }),
  );
}

export function makePemRef(changes: Partial<PemRef> = {}): PemRef {
  return {
    sha256: 'a'.repeat(64),
    size: 3000,
    keyType: 'ec256',
    serial: '0A',
    notBefore: noon.toISOString(),
    notAfter: after(noon, 90 * DAY_MS).toISOString(),
    chainLength: 2,
    certId: 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE',
    ...changes,
  };
}

export function makeEntry(changes: Partial<ManifestEntry> = {}): ManifestEntry {
  return {
    identifiers: ['a.test'],
    publishedAt: noon.toISOString(),
    issued: { directoryUrl: DIRECTORY_URL, accountUrl: 'https://ca.test/account/1' },
    pems: [makePemRef()],
    ...changes,
  };
}

/** Manifests of fleets that have the certificate `a.test`, or have it not. */
export function makeManifests(entries: readonly (readonly [FleetName, ManifestEntry | undefined])[]) {
  return new Map(
    entries.map(([name, entry]): [FleetName, ReadManifest] => {
      const certificates = entry === undefined ? {} : { [named('a.test')]: entry };
      return [name, { manifest: { ...emptyManifest(name, noon), certificates }, etag: '"1"' }];
    }),
  );
}

export function makeHostStatus(host: string, changes: Partial<HostStatus> = {}): HostStatus {
  return {
    version: 1,
    fleet,
    host: hostName.parse(host),
    reportedAt: noon.toISOString(),
    agent: { version: '0.1.0' },
    haproxy: [],
    files: [],
    ...changes,
  };
}

/** A record of one leg; what belongs to the leg may be given flat. */
export function makeRecord(changes: Partial<OrderRecord> & Partial<LegRecord> = {}): OrderRecord {
  const { keyType = 'ec256', key = 'a PKCS#8 PEM', presented = [], orderUrl, replaces, ...rest } = changes;
  const leg = { keyType, key, presented, ...(orderUrl && { orderUrl }), ...(replaces && { replaces }) };
  return {
    version: 1,
    createdAt: noon,
    directoryUrl: DIRECTORY_URL,
    identifiers: ['a.test'],
    legs: [leg],
    failures: 0,
    notBefore: noon,
    ...rest,
  };
}

/** Nothing special: one CA, no window, a fresh certificate. */
export function makeDueInput(changes: Partial<DueInput> = {}): DueInput {
  return {
    spec: makeSpec(),
    cas: [{ directoryUrl: DIRECTORY_URL }],
    published: makeEntry(),
    windows: new Map(),
    record: undefined,
    forced: false,
    now: noon,
    wakeMs: 1_800_000,
    ...changes,
  };
}
