/**
 * After a loss: certificates that nothing is published of, and that hosts go on serving. They are ordered anew, but what nobody serves
 * comes first. What a host says counts only with our own receipt, and one host alone changes nothing: what it claims to serve is not taken
 * for served where others do not, and what it alone does not serve is not taken for dark where others serve it.
 */
import { inParallel } from '#common/in-parallel.ts';
import { BucketError, ContractError, messageOf } from '#contract/errors.ts';
import type { HostStatus } from '#contract/host-status.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import { readReceipt } from '#contract/receipt.ts';
import { StatementRefused } from '#contract/statement.ts';
import { type CertificateSpec, configuredFleets, namesOfFleet } from '../config/config.ts';
import { isSilent } from '../fleet/behind.ts';
import type { HostSummaries } from '../fleet/hosts.ts';
import { isReadable, listStatuses, readHostStatus } from '../fleet/read-status.ts';
import type { HostSummary, SummariesByHost } from '../fleet/summary.ts';
import type { Pass } from '../pass.ts';
import { type PublishedVersion, readHistory } from '../publication/history/history.ts';
import type { OwnKeys } from '../publication/read-manifest.ts';

type Environment = Pick<Pass, 'bucket' | 'log' | 'signing' | 'timing'>;

/** When what is served of each certificate ends, in ms since the epoch. */
type Ends = ReadonlyMap<CertificateName, number>;

const CONCURRENCY = 10;
/** From so many living hosts on, one that differs from all others is not asked. */
const MIN_HOSTS_FOR_ONE_LESS = 3;

/**
 * @param missing certificates of which nothing is published
 * @param withoutRoot fleets whose root has just been lost: their hosts do not know yet that nothing names what they serve
 * @returns until when hosts serve them, for those that the hosts of all their fleets serve
 */
export async function findStillServed(
  pass: Environment,
  missing: readonly CertificateSpec[],
  hosts: HostSummaries['fleets'],
  withoutRoot: ReadonlySet<FleetName> = new Set(),
): Promise<Ends> {
  const fleets = configuredFleets({ certificates: missing });
  const served = new Map<FleetName, Ends>();
  for (const fleet of fleets) {
    const names = namesOfFleet(missing, fleet);
    const subject = { fleet, names, isWithoutRoot: withoutRoot.has(fleet) };
    const ends = await servedIn(pass, subject, hosts[fleet] ?? {});
    served.set(fleet, ends);
    if (ends.size > 0) pass.log('fleet.recovering', { fleet, missing: names.size, served: ends.size });
  }
  const all = missing.flatMap(({ name, fleets: of }) => {
    const ends = of.map((fleet) => served.get(fleet)?.get(name));
    return ends.includes(undefined) ? [] : [[name, Math.min(...(ends as number[]))] as const];
  });
  return new Map(all);
}

/** Of one fleet. */
interface Subject {
  fleet: FleetName;
  names: ReadonlySet<CertificateName>;
  isWithoutRoot: boolean;
}

async function servedIn(pass: Environment, subject: Subject, summaries: SummariesByHost): Promise<Ends> {
  const now = pass.timing.now();
  const living = Object.entries(summaries).filter(([, summary]) => isLiving(summary, now));
  const filesOf = ({ unlistedFiles = 0, states }: HostSummary) =>
    subject.isWithoutRoot ? (states['served'] ?? 0) : unlistedFiles;
  const serving = living.filter(([, summary]) => filesOf(summary) > 0).map(([host]) => host);
  // Nothing has to be read to know that too few serve anything of this kind.
  if (serving.length < neededOf(living.length)) return new Map();
  try {
    const read = await readClaims(pass, subject, new Set(serving));
    return agreed(read, neededOf(living.length));
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    pass.log('status.failed', { code: error.code, error: messageOf(error) });
    return new Map();
  }
}

function isLiving({ hasLeft, isUnreadable, reportedAt }: HostSummary, now: Date): boolean {
  return !hasLeft && !isUnreadable && !isSilent(reportedAt, now);
}

/** Of no host at all, nothing is served. */
function neededOf(living: number): number {
  return Math.max(1, living >= MIN_HOSTS_FOR_ONE_LESS ? living - 1 : living);
}

/** Of each host what it claims, and no more: statuses are large. */
async function readClaims(
  { bucket, signing, timing }: Environment,
  { fleet, names, isWithoutRoot }: Subject,
  hosts: ReadonlySet<string>,
): Promise<Ends[]> {
  const now = timing.now();
  const histories = new Map<CertificateName, Promise<PublishedVersion[]>>();
  const historyOf = (name: CertificateName) => {
    const read = histories.get(name) ?? readHistory(bucket, fleet, name);
    histories.set(name, read);
    return read;
  };
  const proofs = { names, keys: signing, ...(isWithoutRoot && { historyOf }) };
  const entries = (await listStatuses(bucket, fleet)).filter(({ host }) => hosts.has(host));
  const read = async (entry: (typeof entries)[number]): Promise<Ends> => {
    const status = await readHostStatus(bucket, entry);
    return status !== undefined && isReadable(status) ? claimsOf(status, proofs, now) : new Map();
  };
  return inParallel(entries, CONCURRENCY, read, ({ key }) => key);
}

/** What a claim is held against. */
interface Proofs {
  names: ReadonlySet<CertificateName>;
  keys: OwnKeys;
  /** Of a fleet that has lost its root: what its hosts take for listed has no receipt in their reports. */
  historyOf?: (name: CertificateName) => Promise<PublishedVersion[]>;
}

async function claimsOf(
  { fleet, files }: HostStatus,
  { names, keys, historyOf }: Proofs,
  now: Date,
): Promise<Ends> {
  const ends = new Map<CertificateName, number>();
  for (const { certificate, state, isUnlisted, receipt, disk } of files) {
    if (state !== 'served' || !names.has(certificate)) continue;
    let end = 0;
    if (isUnlisted && receipt !== undefined) {
      end = endOf(receipt, { fleet, name: certificate, sha256: disk?.sha256 }, keys);
    } else if (!isUnlisted && historyOf !== undefined) {
      end = endIn(await historyOf(certificate), disk?.sha256);
    }
    // Of a pair, the PEM that ends first.
    if (end > now.getTime()) ends.set(certificate, Math.min(end, ends.get(certificate) ?? end));
  }
  return ends;
}

/** @returns 0 for what we have not published */
function endIn(versions: readonly PublishedVersion[], sha256: string | undefined): number {
  const pem = versions.flatMap(({ pems }) => pems).find((one) => one.sha256 === sha256);
  return pem === undefined ? 0 : Date.parse(pem.notAfter);
}

/** @returns 0 if the receipt is not ours, or is about something else */
function endOf(
  receipt: string,
  of: { fleet: FleetName; name: CertificateName; sha256: string | undefined },
  keys: OwnKeys,
): number {
  try {
    const { claims, key } = readReceipt(receipt);
    const isSame = claims.fleet === of.fleet && claims.name === of.name && claims.sha256 === of.sha256;
    return isSame && keys.isOurs(key, claims.sequence) ? Date.parse(claims.notAfter) : 0;
  } catch (error) {
    if (error instanceof StatementRefused || error instanceof ContractError) return 0;
    throw error;
  }
}

/** What so many hosts say; the earliest end counts. */
function agreed(claims: readonly Ends[], needed: number): Ends {
  const count = new Map<CertificateName, { hosts: number; end: number }>();
  for (const [name, end] of claims.flatMap((ends) => [...ends])) {
    const before = count.get(name) ?? { hosts: 0, end };
    count.set(name, { hosts: before.hosts + 1, end: Math.min(before.end, end) });
  }
  return new Map([...count].flatMap(([name, { hosts, end }]) => (hosts >= needed ? [[name, end]] : [])));
}
