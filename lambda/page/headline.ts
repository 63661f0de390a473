/** The one sentence that stands before all else. Pure. */
import { spanText } from '#common/time.ts';
import type { StatusLevel, StatusLine } from '../status/status-line.ts';
import type { PageCertificate, PageFleet } from './facts.ts';

export interface HeadlineFacts {
  level: StatusLevel;
  lines: readonly StatusLine[];
  fleets: readonly PageFleet[];
  now: Date;
}

/** `All 20 certificates are served by all 4 hosts; next renewal in 12 days.` */
export function headline({ level, lines, fleets, now }: HeadlineFacts): string {
  const isBlind = fleets.every(({ certificates }) => certificates.length === 0);
  if (isBlind && level !== 'note') return `Nobody can say what is served: ${countText(lines)}.`;
  const service = serviceText(fleets);
  if (level !== 'note') return `${service}; ${countText(lines)}.`;
  const next = nextRenewal(fleets);
  if (next === undefined) return `${service}.`;
  const spanMs = next.at.getTime() - now.getTime();
  return `${service}; next renewal ${spanMs <= 0 ? 'in the next pass' : `in ${spanText(spanMs)}`}.`;
}

function countText(lines: readonly StatusLine[]): string {
  const count = (wanted: StatusLevel) => lines.filter(({ level }) => level === wanted).length;
  const [wrong, unknown] = [count('wrong'), count('unknown')];
  const needs = `${numberOf(wrong, 'thing')} ${wrong === 1 ? 'needs' : 'need'} attention`;
  const open = `${numberOf(unknown, 'thing')} cannot be read`;
  return [...(wrong > 0 ? [needs] : []), ...(unknown > 0 ? [open] : [])].join(', ');
}

/** `2,000 certificates`. */
export const numberOf = (count: number, what: string) => `${digits(count)} ${what}${count === 1 ? '' : 's'}`;
const digits = (count: number) => count.toLocaleString('en-US');

function serviceText(fleets: readonly PageFleet[]): string {
  const certificates = fleets.flatMap((fleet) => fleet.certificates);
  const names = new Set(certificates.map(({ name }) => name));
  const hosts = fleets.flatMap((fleet) => fleet.hosts);
  const reporting = hosts.filter(({ isSilent }) => !isSilent).length;
  const short = new Set(certificates.filter((one) => !isServed(one)).map(({ name }) => name));
  const served = names.size - short.size;
  const missing = new Set(certificates.filter(({ serials }) => serials.length === 0).map(({ name }) => name));
  const published = names.size - missing.size;
  if (published === 0) return 'Nothing is published yet';
  if (hosts.length === 0) return `${whole(published, names.size)} published, and no host has reported yet`;
  if (reporting === 0)
    return `What is served is unknown: no host of ${digits(hosts.length)} has reported for hours`;
  return `${whole(served, names.size)} served by ${hostsText(reporting, hosts.length, fleets.length)}`;
}

/** By every host that reports, and by one at least. */
export function isServed({ cells }: Pick<PageCertificate, 'cells'>): boolean {
  const known = cells.filter(({ state }) => state !== 'unknown');
  return known.length > 0 && known.every(({ state }) => state === 'served');
}

function whole(some: number, all: number): string {
  if (all === 1) return some === 1 ? 'The certificate is' : 'The certificate is not';
  if (some === all) return `All ${numberOf(all, 'certificate')} are`;
  return some === 0
    ? `None of ${numberOf(all, 'certificate')} is`
    : `${digits(some)} of ${numberOf(all, 'certificate')} ${some === 1 ? 'is' : 'are'}`;
}

function hostsText(reporting: number, all: number, fleets: number): string {
  const where = fleets > 1 ? ` in ${fleets} fleets` : '';
  if (reporting < all)
    return `the ${numberOf(reporting, 'host')} that ${reporting === 1 ? 'reports' : 'report'}${where}`;
  return all === 1 ? 'the host' : `all ${numberOf(all, 'host')}${where}`;
}

/** Of what is configured, the first. */
export function nextRenewal(fleets: readonly PageFleet[]): { name: string; at: Date } | undefined {
  const all = fleets.flatMap(({ certificates }) =>
    certificates.flatMap(({ name, renewAt }) => (renewAt === undefined ? [] : [{ name, at: renewAt }])),
  );
  return all.sort((a, b) => a.at.getTime() - b.at.getTime())[0];
}
