/**
 * `pemfleet rollback NAME [--to SERIAL] --reason TEXT`: publishes an earlier version again, with a sequence of its own, so that hosts take it
 * as they take a new one: verified, installed, proved. Nothing is ordered and nothing is revoked.
 */
import { once } from '#common/once.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { UntrustedIssuer } from '../../acme/problem.ts';
import { configuredCas } from '../../config/acme.ts';
import type { CertificateSpec, Config } from '../../config/config.ts';
import { readHighestSequence } from '../../fleet/read-reports.ts';
import { readHold } from '../../hold/holds.ts';
import { isInForce } from '../../hold/in-force.ts';
import type { Log } from '../../log.ts';
import { lastCallSince } from '../../order/lifetime.ts';
import { reasonByOrigin, standsAgainstCa } from '../../pass/due.ts';
import {
  fleetsWithout,
  openRollback,
  type RollbackCandidate,
  type RollbackSubject,
  type RollbackTarget,
  rollbackChoice,
  rollbackFleets,
  rollbackProblem,
} from '../../publication/history/rollback.ts';
import type { CertificateVersions, KnownVersion } from '../../publication/history/versions.ts';
import { Publisher } from '../../publication/publisher.ts';
import type { ReadManifest } from '../../publication/read-manifest.ts';
import { openKeysToRead } from '../../publication/readers/keys.ts';
import { StapleFetcher } from '../../publication/staples.ts';
import { bareSerial } from '../../replacement/covered.ts';
import { readRevocation, revokingDigests } from '../../replacement/revocations.ts';
import { openSigningKey } from '../../signing/signing-key.ts';
import { judgePresent, type PresentTrustSource } from '../../trusted/present.ts';
import { readTrusted } from '../../trusted/read-refusals.ts';
import { publisherOptions } from '../../upgrade/along.ts';
import {
  besidePasses,
  type Command,
  checkOwnWriter,
  loadConfigAndBucket,
  now,
  openAuditTrail,
  passEnvironmentOf,
  printJson,
  printToStderr,
  recordServing,
} from '../command.ts';
import { oneName } from '../line/names.ts';
import { type CommandValues, UsageError } from '../line/options.ts';
import { notifyHosts } from '../notify.ts';
import { EXIT } from '../output.ts';
import { serialOption } from './audit.ts';
import { readHistories } from './history.ts';
import { CommandRefused } from './refused.ts';

export const rollbackCommand: Command = async (values, operands) => {
  const name = oneName('rollback', operands);
  const serial = values.to === undefined ? undefined : serialOption('to', values.to);
  if (!values.reason) throw new UsageError('rollback wants --reason TEXT: it stands in the audit trail');
  const { config, bucket } = await loadConfigAndBucket(values);
  await checkOwnWriter({ bucket, config }, values);
  const spec = config.certificates.find((certificate) => certificate.name === name);
  const work = () => rollback({ bucket, config }, values, { name, spec, now: now() }, serial);
  return besidePasses(bucket, values, work);
};

async function rollback(
  where: { bucket: Bucket; config: Config },
  values: CommandValues,
  { name, spec, now: at }: Omit<RollbackSubject, 'ended'>,
  serial: string | undefined,
): Promise<number> {
  const { bucket } = where;
  const known = await readHistories(where, name, undefined);
  const revocation = await readRevocation(bucket, name);
  const subject = { name, spec, now: at, ended: known.flatMap(({ ended }) => ended) };
  const fleets = rollbackFleets(spec, known);
  const some = known.filter(({ fleet }) => fleets.includes(fleet));
  const { candidates, standing } = rollbackChoice(some, serial === undefined ? undefined : isSerial(serial));
  const [first] = candidates;
  if (first !== undefined && fleetsWithout(first.version, fleets, some).length === 0) {
    return reportStanding(values, first.version, {
      name,
      fleets,
      rolledBackAt: first.of.entry?.rolledBackAt,
    });
  }
  await refuseHeld(bucket, fleets, at);
  const going = revokingDigests(revocation === undefined ? [] : [revocation]);
  const trusted = once(async () => {
    const keys = await openKeysToRead(bucket, { fleets });
    return readTrusted({ bucket, fleets, keys, now: at });
  });
  const target = await choose(bucket, candidates, subject, {
    ...{ serial, going, known: some, trusted, fleets, isMeant: values['replace-trusted'] },
  });
  const { version, entry, texts, differences, skipped } = target;
  for (const problem of skipped) printToStderr(`${name}: skipped: ${problem}\n`);
  const serials = serialsText(version);
  for (const difference of differences) printToStderr(`${name}: ${serials} has ${difference}\n`);
  if (differences.length > 0 && !values.yes) {
    throw new CommandRefused(
      `${name}: the next pass orders another one for that; --yes publishes it until then`,
    );
  }
  const { timing, log } = passEnvironmentOf(values);
  const fetcher = new StapleFetcher({ config: where.config, log, timing });
  const stapled = await fetcher.staple({ name, entry }, texts);
  if (fetcher.revoked.size > 0) throw new CommandRefused(`${name}: its CA says that ${serials} is revoked`);
  const dryRun = values['dry-run'];
  // What one fleet has by the same rollback, the others get as it is there.
  const times = standing && { publishedAt: standing.publishedAt, rolledBackAt: standing.rolledBackAt };
  const published = { ...stapled, entry: { ...entry, ...times, pems: stapled.pems } };
  const lacking = fleetsWithout(version, fleets, some);
  if (!dryRun) await publish({ bucket, fleets: lacking, values, log }, name, published);
  const document = { certificate: name, serials: version.pems.map((pem) => pem.serial), fleets: lacking };
  if (values.json) printJson({ version: 1, dryRun, ...document });
  const done = dryRun ? 'would be published again' : 'is published again';
  printToStderr(`${name}: ${serials} of ${version.publishedAt} ${done} to ${lacking.join(', ')}\n`);
  const having = fleets.filter((fleet) => !lacking.includes(fleet));
  if (having.length > 0) printToStderr(`${name}: it is in force already in ${having.join(', ')}\n`);
  printToStderr(renewalText({ ...where, spec, entry: published.entry, now: at }));
  return EXIT.ok;
}

const serialsText = ({ pems }: Pick<KnownVersion, 'pems'>) => pems.map(({ serial }) => serial).join(' ');

const isSerial = (serial: string) => (version: KnownVersion) =>
  version.pems.some((pem) => bareSerial(pem.serial) === serial);

/** Typed twice, or by two at once, it is one rollback. */
function reportStanding(
  values: CommandValues,
  version: KnownVersion,
  {
    name,
    fleets,
    rolledBackAt,
  }: { name: CertificateName; fleets: FleetName[]; rolledBackAt?: string | undefined },
): number {
  const serials = version.pems.map(({ serial }) => serial);
  if (values.json) {
    printJson({ version: 1, dryRun: values['dry-run'], certificate: name, serials, fleets: [] });
  }
  const since = rolledBackAt === undefined ? '' : `, since a rollback at ${rolledBackAt}`;
  const another =
    values.to === undefined ? '; for another version: --to SERIAL (pemfleet history has them)' : '';
  printToStderr(
    `${name}: ${serialsText(version)} is in force already in ${fleets.join(', ')}${since}: nothing to do${another}\n`,
  );
  return EXIT.ok;
}

/** @throws CommandRefused: nothing new is published to a fleet that an operator holds */
async function refuseHeld(bucket: Bucket, fleets: readonly FleetName[], at: Date): Promise<void> {
  for (const fleet of fleets) {
    const hold = await readHold(bucket, { fleet });
    if (hold === undefined || !isInForce(hold, at)) continue;
    const why = hold.word?.reason ?? hold.fault?.message ?? '';
    throw new CommandRefused(
      `fleet ${fleet} is held (${why}): nothing new is published to it; pemfleet resume --fleet ${fleet} ends that`,
    );
  }
}

interface RolledBack {
  config: Config;
  spec: CertificateSpec | undefined;
  entry: ManifestEntry;
  now: Date;
}

/** What the next passes make of it. */
function renewalText({ config, spec, entry, now: at }: RolledBack): string {
  const history = '; what it was is in: pemfleet history\n';
  if (spec?.imported) return `no pass renews it${history}`;
  if (entry.pems.some((pem) => lastCallSince(pem) <= at))
    return 'it has less than a fifth of its life left: the next pass renews it\n';
  const cas = configuredCas(config);
  const reason = spec && reasonByOrigin(entry, { spec, cas });
  if (reason === undefined) return `for a day no pass renews it for its time alone${history}`;
  const ca = cas[0]?.directoryUrl;
  if (!standsAgainstCa(entry, { cas, now: at }))
    return `the next pass orders another one from ${ca} (${reason})${history}`;
  return `for a day no pass renews it; then one orders another from ${ca} (${reason}), if the configuration still says so${history}`;
}

interface Choosing {
  serial: string | undefined;
  /** Digests of what is to be revoked. */
  going: ReadonlySet<string>;
  known: readonly CertificateVersions[];
  /** Where it is to be published. */
  fleets: readonly FleetName[];
  trusted: PresentTrustSource['trusted'];
  /** What browsers do not trust may take the place of what they do. */
  isMeant: boolean;
}

interface Chosen extends RollbackTarget {
  /** Later versions, and why browsers would not trust them. */
  skipped: string[];
}

/** @throws CommandRefused where there is none; UntrustedIssuer where all that speaks against one is that browsers would not trust it */
async function choose(
  bucket: Bucket,
  candidates: readonly RollbackCandidate[],
  subject: RollbackSubject,
  choosing: Choosing,
): Promise<Chosen> {
  const { serial, going, known } = choosing;
  const [problems, skipped]: [string[], string[]] = [[], []];
  for (const { of, version } of candidates) {
    const isGoing = version.pems.some(({ sha256 }) => going.has(sha256));
    const problem = isGoing ? 'is to be revoked' : rollbackProblem(version, subject);
    const opened = problem ?? (await openRollback(bucket, of, version, subject));
    if (typeof opened === 'string') {
      problems.push(`${serialsText(version)} ${opened}`);
      continue;
    }
    const untrusted = await untrustedInPlace(opened, subject, choosing);
    if (untrusted === undefined) return { ...opened, skipped: [...new Set(skipped)] };
    skipped.push(`${serialsText(version)} ${untrusted}`);
  }
  for (const { fleet, isHistoryUnreadable } of known) {
    if (isHistoryUnreadable) problems.push(`${layout.history(fleet, subject.name)} cannot be read`);
  }
  const what =
    serial === undefined
      ? 'no earlier version can be published again'
      : `${serial} cannot be published again`;
  const reasons = [...new Set([...skipped, ...problems])];
  const why = reasons.length === 0 ? 'none is known: pemfleet history shows what is' : reasons.join('; ');
  const says = `${subject.name}: ${what}: ${why}`;
  if (skipped.length > 0) throw new UntrustedIssuer(`${says}; --replace-trusted says that it is meant`);
  throw new CommandRefused(says);
}

/** @returns why browsers would not trust it, where they trust what is in force */
async function untrustedInPlace(
  { entry, texts }: RollbackTarget,
  { name, now: at }: RollbackSubject,
  { known, fleets, trusted, isMeant }: Choosing,
): Promise<string | undefined> {
  if (isMeant) return undefined;
  const currents = new Map(known.map(({ fleet, entry: current }) => [fleet, current]));
  const places = fleets.map((fleet) => ({ fleet, current: currents.get(fleet) }));
  const present = { name, entry, texts, fleets: places };
  const judged = await judgePresent({ trusted, now: () => at }, present);
  if (judged?.refusal === undefined) return undefined;
  return `would not be trusted by browsers, and they trust what is in force (${judged.problem})`;
}

interface Destination {
  bucket: Bucket;
  fleets: readonly FleetName[];
  values: CommandValues;
  log: Log;
}

/** One commit for each fleet. */
async function publish(
  { bucket, fleets, values, log }: Destination,
  name: CertificateName,
  { entry, texts }: Pick<RollbackTarget, 'entry' | 'texts'>,
): Promise<void> {
  const signing = await openSigningKey(bucket, { fleets });
  const audit = openAuditTrail(bucket, values);
  const manifests = new Map<FleetName, ReadManifest>();
  await recordServing(bucket, fleets, [name]);
  for (const fleet of fleets) {
    const highest = await readHighestSequence(bucket, fleet, { keys: signing, now: now() });
    const publisher = new Publisher(bucket, fleet, {
      ...publisherOptions(bucket, signing, now, log),
      ...{ floorOf: async () => highest, audit },
    });
    const because = { action: 'rolled-back', reason: values.reason };
    if ((await publisher.reinstate(name, entry, texts, because)) === 'unchanged') continue;
    log('certificate.rolled-back', { certificate: name, fleet, serial: entry.pems[0]?.serial });
    if (publisher.latest !== undefined) manifests.set(fleet, publisher.latest);
  }
  await audit.flush();
  await notifyHosts(log, { manifests, changed: [...manifests.keys()] });
}
