/** Made-up pieces of the issuing side, each whole, so that a test names only what it is about. */
import { certificateName, type FleetName, fleetName } from '#contract/layout.ts';
import { emptyManifest, type ManifestEntry, type PemRef } from '#contract/manifest.ts';
import type { Timing } from '../../../lambda/acme/poll.ts';
import type { CertificateSpec, Config } from '../../../lambda/config/config.ts';
import { parseConfig } from '../../../lambda/config/yaml.ts';
import type { Fields, Log } from '../../../lambda/log.ts';
import type { LegRecord, OrderRecord } from '../../../lambda/order/record.ts';
import type { DueInput } from '../../../lambda/pass/due.ts';
import type { ReadManifest } from '../../../lambda/publication/publisher.ts';

export const DIRECTORY_URL = 'https://ca.test/directory';
export const DAY_MS = 86_400_000;
export const noon = new Date('2026-11-22T12:00:00.000Z');
export const after = (time: Date, ms: number) => new Date(time.getTime() + ms);
export const named = (name: string) => certificateName.parse(name);
export const fleet = fleetName.parse('default');

export function specOf(changes: Partial<CertificateSpec> = {}): CertificateSpec {
  return {
    name: named('a.test'),
    identifiers: ['a.test'],
    keyTypes: ['ec256'],
    reuseKey: false,
    fleets: [fleet],
    ...changes,
  };
}

export function configOf(certificates: object[], changes: object = {}): Config {
  const acme = { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true };
  return parseConfig('pemfleet.yaml', JSON.stringify({ bucket: 'memory:', acme, certificates, ...changes }));
}

export function pemRefOf(changes: Partial<PemRef> = {}): PemRef {
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

export function entryOf(changes: Partial<ManifestEntry> = {}): ManifestEntry {
  return {
    identifiers: ['a.test'],
    publishedAt: noon.toISOString(),
    issued: { directoryUrl: DIRECTORY_URL, accountUrl: 'https://ca.test/account/1' },
    pems: [pemRefOf()],
    ...changes,
  };
}

/** Manifests of fleets that have the certificate `a.test`, or have it not. */
export function manifestsOf(entries: readonly (readonly [FleetName, ManifestEntry | undefined])[]) {
  return new Map(
    entries.map(([name, entry]): [FleetName, ReadManifest] => {
      const certificates = entry === undefined ? {} : { [named('a.test')]: entry };
      return [name, { manifest: { ...emptyManifest(name, noon), certificates }, etag: '"1"' }];
    }),
  );
}

/** A record of one leg; what belongs to the leg may be given flat. */
export function recordOf(changes: Partial<OrderRecord> & Partial<LegRecord> = {}): OrderRecord {
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
export function dueInputOf(changes: Partial<DueInput> = {}): DueInput {
  return {
    spec: specOf(),
    cas: [{ directoryUrl: DIRECTORY_URL }],
    published: entryOf(),
    windows: new Map(),
    record: undefined,
    forced: false,
    now: noon,
    wakeMs: 1_800_000,
    ...changes,
  };
}

export interface Clock extends Timing {
  advance(ms: number): void;
  /** Every wait that was asked for. */
  readonly waits: number[];
}

/** A clock that stands still, and jumps over every wait. */
export function fakeClock(from = noon, passMs = 900_000): Clock {
  let time = from;
  const waits: number[] = [];
  return {
    deadline: after(from, passMs),
    waits,
    now: () => time,
    sleep: async (ms) => {
      waits.push(ms);
      time = after(time, ms);
    },
    advance: (ms) => {
      time = after(time, ms);
    },
  };
}

export interface Events {
  log: Log;
  /** `certificate.kept a.test`, … */
  names(): string[];
  fieldsOf(event: string): Fields[];
  /** All that was told, for "holds no key". */
  text(): string;
}

export function recordEvents(): Events {
  const told: { event: string; fields: Fields }[] = [];
  return {
    log: (event, fields = {}) => told.push({ event, fields }),
    names: () =>
      told.map(({ event, fields }) => (fields['certificate'] ? `${event} ${fields['certificate']}` : event)),
    fieldsOf: (wanted) => told.flatMap(({ event, fields }) => (event === wanted ? [fields] : [])),
    text: () => JSON.stringify(told),
  };
}
