/** What a page is made of, of any size, by the functions that the programs use. */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import type { FileStatus, HostStatus } from '#contract/host-status.ts';
import { hostName } from '#contract/layout.ts';
import { emptyManifest, type ManifestEntry } from '#contract/manifest.ts';
import type { AuditLine } from '../../../lambda/audit/line.ts';
import { type FleetStatuses, reportFleet } from '../../../lambda/fleet/report.ts';
import { pageFleetOf } from '../../../lambda/page/facts.ts';
import type { PageFacts } from '../../../lambda/page/page.ts';
import { fleetLines } from '../../../lambda/status/fleet-lines.ts';
import { worstFirst, worstLevel } from '../../../lambda/status/status-line.ts';
import { after, noon } from '../clock.ts';
import { fleet, makeEntry, makeHostStatus, makePemRef, makeSpec, named } from '../issuer/documents.ts';

export interface SceneOptions {
  certificates: number;
  hosts: number;
  names?: (index: number) => string[];
  /** Changes statuses and what is known beside them. */
  change?: (statuses: HostStatus[]) => Partial<FleetStatuses> | undefined;
  history?: readonly AuditLine[];
}

const iso = (ms: number) => after(noon, ms).toISOString();
export const serialOf = (index: number) =>
  `035C77D0B1E2A4F60718${((index + 1) * 0x9e3779b1).toString(16).toUpperCase().padStart(12, '0')}`;
const digestOf = (index: number) => index.toString(16).padStart(64, '0');

const SITES = ['www', 'shop', 'api', 'login', 'static', 'media', 'status', 'mail', 'docs', 'cdn'];

export function nameOf(index: number): string {
  const site = SITES[index % SITES.length];
  return index < SITES.length * 2
    ? `${site}.${index < SITES.length ? 'example.com' : 'example.org'}`
    : `${site}-${index}.example.net`;
}

function entryOf(index: number, names: readonly string[]): ManifestEntry {
  const age = ((index * 37) % 55) * DAY_MS + (index % 24) * HOUR_MS;
  const pem = makePemRef({
    ...{ sha256: digestOf(index), serial: serialOf(index), certId: `id-${index}` },
    notBefore: iso(-age),
    notAfter: iso(90 * DAY_MS - age),
  });
  return makeEntry({ identifiers: [...names], pems: [pem], publishedAt: iso(-age) });
}

function statusOf(host: string, index: number, entries: Readonly<Record<string, ManifestEntry>>): HostStatus {
  const files = Object.entries(entries).map(([name, { pems }], at): FileStatus => {
    const [{ sha256, serial, notAfter }] = pems as [ManifestEntry['pems'][number]];
    return {
      ...{ file: `${name}.pem`, certificate: named(name), state: 'served', since: iso(-2 * DAY_MS) },
      ...{ wanted: { sha256, serial }, runtime: { serial, notAfter, chainLength: 2 } },
      provenAt: iso(-((at * 7 + index * 13) % 55) * MINUTE_MS - 90_000),
    };
  });
  const haproxy = [{ socket: '/run/haproxy/admin.sock', version: '3.2.26', pid: 812 }];
  return makeHostStatus(host, { files, haproxy, reportedAt: iso(-(index % 20) * MINUTE_MS) });
}

export const hostNamed = (index: number) => hostName.parse(`lb${index + 1}`);

export function makePageFacts({ certificates, hosts, names, change, history = [] }: SceneOptions): PageFacts {
  const entries: Record<string, ManifestEntry> = {};
  for (let index = 0; index < certificates; index += 1) {
    entries[nameOf(index)] = entryOf(index, names?.(index) ?? [nameOf(index), `m.${nameOf(index)}`]);
  }
  const statuses = Array.from({ length: hosts }, (_, index) => statusOf(hostNamed(index), index, entries));
  const changes = change?.(statuses);
  const manifest = { ...emptyManifest(fleet, noon), signedAt: iso(-3 * HOUR_MS), certificates: entries };
  const specs = Object.keys(entries).map((name) => makeSpec({ name: named(name) }));
  const configured = new Set(specs.map(({ name }) => name));
  const report = reportFleet(manifest, { statuses, unreadable: [], specs, configured, ...changes }, noon);
  const lines = worstFirst(fleetLines(report, { now: noon, graceMs: 2 * MINUTE_MS }));
  const status = { at: noon, level: worstLevel(lines), lines, ownLines: [], fleets: [{ report, lines }] };
  const page = pageFleetOf({ report, manifest, statuses }, { windows: new Map(), now: noon });
  return { status, fleets: [page], history };
}

/** A night's work of the issuer, and what an operator has done. */
export function makeHistory(rows: number): AuditLine[] {
  return Array.from({ length: rows }, (_, index): AuditLine => {
    const isByHand = index % 7 === 3;
    const age = (rows - index) * 9 * HOUR_MS;
    return {
      ...{
        sequence: index + 1,
        at: iso(-age),
        previous: '0'.repeat(64),
        fleet,
        certificate: named(nameOf(index % 20)),
      },
      ...(isByHand
        ? {
            ...{ by: 'ada', isClaimed: true, host: 'ops1', action: 'rolled-back' },
            ...{
              command: `pemfleet rollback ${nameOf(index % 20)}`,
              reason: 'the new chain breaks old clients',
            },
          }
        : {
            by: 'pemfleet',
            isClaimed: true,
            host: 'ops1',
            action: 'renewed',
            command: 'pemfleet run',
            reason: 'renewal-window',
          }),
      ...{ before: [serialOf(index + 40)], after: [serialOf(index)] },
    };
  });
}
