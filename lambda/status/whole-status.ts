/** Reads all that `pemfleet status` tells, and judges it. */
import { clockOffsetText } from '#common/clock.ts';
import { BucketError, ContractError, messageOf } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type Config, configuredFleets } from '../config/config.ts';
import { type FleetReports, type ReportSource, readFleetReports } from '../fleet/read-reports.ts';
import type { FleetReport } from '../fleet/report.ts';
import type { StoredHold } from '../hold/holds.ts';
import { ownClockOffset, storeNow } from '../identity/store-clock.ts';
import { IssuerMemory } from '../publication/ended.ts';
import type { OwnKeys } from '../publication/read-manifest.ts';
import { openKeysToRead } from '../publication/readers/keys.ts';
import { fleetLines } from './fleet-lines.ts';
import { readHeldLines } from './held-lines.ts';
import { isHeldLine, readHoldLines } from './hold-lines.ts';
import { replacementLines } from './replacement-lines.ts';
import { pendingRevocationLines } from './revocation-lines.ts';
import { type StatusLevel, type StatusLine, worstFirst, worstLevel } from './status-line.ts';
import { tombstoneLines } from './tombstone-lines.ts';
import { trustedLines } from './trusted-lines.ts';

export interface StatusRequest extends Pick<ReportSource, 'onProgress' | 'onFleet'> {
  bucket: Bucket;
  config: Config;
  /** This fleet only. */
  only?: FleetName | undefined;
  graceMs: number;
  /** Roots that browsers trust, PEM; default: those that Node.js has of Mozilla. */
  trustedRoots?: readonly string[] | undefined;
  now: () => Date;
}

export interface WholeStatus {
  /** By the store's clock, where this machine's is wrong. */
  at: Date;
  level: StatusLevel;
  /** All lines, the worst first. */
  lines: StatusLine[];
  /** Those about the bucket as a whole. */
  ownLines: StatusLine[];
  /** Empty: the bucket cannot be read, or there is no such fleet. */
  fleets: { report: FleetReport; lines: StatusLine[] }[];
}

/** What cannot be read is a line; nothing throws but a fault of the program. */
export async function readWholeStatus(request: StatusRequest): Promise<WholeStatus> {
  const { graceMs } = request;
  const read = await readAll(request);
  const held = new Set(read.trusted.map(({ certificate }) => certificate));
  // Its failure says the same, and that there will be another attempt.
  const isNews = (line: StatusLine) =>
    (line.code !== 'failing' || !held.has(line.certificate)) && !isHeldLine(line, read.holds);
  const fleets = read.fleets.map((report) => ({
    report,
    lines: worstFirst([
      ...fleetLines(report, { now: read.now, graceMs }).filter(isNews),
      ...read.trusted.filter(({ fleet }) => fleet === report.fleet),
    ]),
  }));
  const known = new Set<string | undefined>(read.fleets.map(({ fleet }) => fleet));
  const own = [...read.lines, ...read.trusted.filter(({ fleet }) => !known.has(fleet))];
  const lines = worstFirst([...own, ...fleets.flatMap((one) => one.lines)]);
  return { at: read.now, level: worstLevel(lines), lines, ownLines: worstFirst(own), fleets };
}

interface StatusRead extends Pick<FleetReports, 'fleets'> {
  /** By the store's clock, where this machine's is wrong. */
  now: Date;
  /** About the bucket as a whole. */
  lines: StatusLine[];
  /** Of certificates that nobody renews: each belongs to its fleet. */
  trusted: StatusLine[];
  holds: readonly StoredHold[];
}

async function readAll(request: StatusRequest): Promise<StatusRead> {
  const { bucket, config, only, now, onProgress, onFleet, trustedRoots } = request;
  const begin = now();
  let keys: { keys: OwnKeys; lines: StatusLine[] };
  try {
    keys = await keysOrNone(bucket, config);
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    return { fleets: [], now: begin, lines: [unreachableLine(error)], trusted: [], holds: [] };
  }
  const offsetMs = ownClockOffset(bucket, begin, now());
  const at = offsetMs === undefined ? now() : storeNow(bucket, now());
  // The shards of a large manifest are read once, whoever asks.
  const memory = new IssuerMemory(bucket);
  const source = { bucket, keys: keys.keys, memory, only, onProgress, onFleet };
  const { fleets, unreadableOrders } = await readFleetReports(source, config, at);
  const orders = unreadableOrders.map(({ certificate, code, message }): StatusLine => {
    const what =
      certificate === undefined ? 'whether orders fail' : `${certificate}: whether its order fails`;
    const text = `${what} is unknown: ${code} ${message}`;
    return { level: 'unknown', code: 'order-unreadable', certificate, text };
  });
  const held = await readHeldLines(bucket, at);
  const clock = offsetMs === undefined ? [] : [clockLine(offsetMs)];
  const replacing =
    only === undefined ? await replacementLines({ bucket, config, memory }, keys.keys, at) : [];
  const trusted = await trustedLines({ ...source, config, trustedRoots, now: at });
  const holding = await readHoldLines(bucket, fleets, only, at);
  const lines = [...keys.lines, ...held, ...clock, ...orders, ...replacing, ...holding.lines];
  lines.push(...(await pendingRevocationLines(bucket, fleets, at)));
  const names = fleets.map(({ fleet }) => fleet);
  lines.push(...(await tombstoneLines(memory, names)));
  return { fleets, now: at, lines, trusted, holds: holding.holds };
}

function unreachableLine(error: BucketError): StatusLine {
  const text = `the bucket cannot be read: ${error.code} ${messageOf(error)}`;
  return { level: 'unknown', code: 'unreachable', text };
}

/** Of a bucket that cannot even be opened. */
export function unreachableStatus(error: BucketError, at: Date): WholeStatus {
  const lines = [unreachableLine(error)];
  return { at, level: worstLevel(lines), lines, ownLines: lines, fleets: [] };
}

function clockLine(offsetMs: number): StatusLine {
  const text = `this machine's clock is ${clockOffsetText(offsetMs)} of the store's: set it (NTP); the times here are the store's`;
  return { level: 'wrong', code: 'clock-off', text };
}

/** Whoever has lost the key still wants to see the hosts: no manifest counts then, and each fleet says so. */
async function keysOrNone(bucket: Bucket, config: Config): Promise<{ keys: OwnKeys; lines: StatusLine[] }> {
  const fleets = configuredFleets(config);
  try {
    return { keys: await openKeysToRead(bucket, { fleets }), lines: [] };
  } catch (error) {
    if (!(error instanceof ContractError)) throw error;
    const line: StatusLine = {
      level: 'wrong',
      code: 'signing-key',
      text: `${error.code} ${messageOf(error)}`,
    };
    return { keys: { isOurs: () => false }, lines: [line] };
  }
}
