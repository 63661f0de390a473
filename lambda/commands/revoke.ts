/**
 * `pemfleet revoke NAME`: asks passes to publish a replacement, to wait until hosts have proved it, and to revoke then. `--now` waits for
 * nobody: it exits with 1 if the replacement failed, and nothing is revoked then.
 */
import { codeOf, messageOf } from '#contract/errors.ts';
import { REVOCATION_WORDS, type RevocationReason } from '../acme/revocation.ts';
import { configuredCas } from '../config/acme.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import { readHighestSequence } from '../fleet/read-reports.ts';
import { storeNow, storeTime } from '../identity/store-clock.ts';
import type { PassResult, RevocationOutcome } from '../outcome.ts';
import { createPublishers } from '../publication/publisher.ts';
import {
  findRevocationTargets,
  fleetsOfRevoked,
  lostTargetText,
  type RevocationTarget,
} from '../publication/revoke.ts';
import { addToRevocation, cancelRevocation, readRevocation } from '../replacement/revocations.ts';
import { type Revoked, revokeAndErase } from '../replacement/revoke-requested.ts';
import { revokedAlready } from '../replacement/revoked-already.ts';
import { type RevocationMeant, targetsMeant } from '../replacement/targets-meant.ts';
import { insteadText, type RevokedAlready } from '../replacement/unclear.ts';
import { openSigningKey, type Signing } from '../signing/signing-key.ts';
import { publisherOptions } from '../upgrade/along.ts';
import { runPassExclusively, withCas } from '../wiring.ts';
import {
  type Command,
  checkOwnWriter,
  loadConfigAndBucket,
  now,
  openAuditTrail,
  ownIdentity,
  passEnvironmentOf,
  printJson,
  printToStderr,
  recordAction,
  specOf,
} from './command.ts';
import { askUntil, isTerminal } from './init/ask.ts';
import { oneName } from './line/names.ts';
import { type CommandValues, UsageError } from './line/options.ts';
import { notifyHosts } from './notify.ts';
import { EXIT, outcomeTable, revocationLines } from './output.ts';
import { sayWhatStands } from './replacement/standing.ts';
import { CommandRefused } from './undo/refused.ts';

interface Subject
  extends Pick<Awaited<ReturnType<typeof loadConfigAndBucket>>, 'bucket' | 'config'>,
    RevocationMeant {
  values: CommandValues;
  spec: CertificateSpec;
  /** As it was said. */
  reason: RevocationReason;
  signing: Signing;
}

export const revokeCommand: Command = async (values, operands) => {
  const name = oneName('revoke', operands);
  if (values.cancel) return cancel(values, name);
  const reason = await reasonOf(values.reason);
  const { config, bucket } = await loadConfigAndBucket(values);
  const spec = specOf(config, name);
  const signing = await openSigningKey(bucket, { fleets: spec.fleets, dryRun: values['dry-run'] });
  const source = { bucket, signing, now };
  const already = values.serial === undefined && (await revokedAlready(source, spec, reason));
  if (already) return nothingToDo(values, spec, { ...already, reason });
  const published = await findRevocationTargets({ bucket, signing }, spec, values.serial);
  if (published.length === 0) {
    const lost = values.serial === undefined ? undefined : await lostTargetText(bucket, spec, values.serial);
    throw new CommandRefused(`${name}: ${lost ?? 'nothing is published that could be revoked'}`);
  }
  const meant = await targetsMeant(source, spec, { reason, published, serial: values.serial });
  const { targets } = meant;
  refuseForeign(config, targets);
  for (const { leaf, reason: waiting } of targets) {
    if (waiting === reason) continue;
    printToStderr(`${name}: ${leaf.serialNumber} waits to be revoked for ${waiting}: that reason stands\n`);
  }
  const subject = { ...{ bucket, config, values, spec, reason, signing }, ...meant };
  // Without a replacement there is nothing to wait for.
  return values.now || !values.replace ? revokeNow(subject) : revokeProvedLater(subject);
};

/** Typed again: what has taken its place is not meant. */
function nothingToDo(
  values: CommandValues,
  { name }: CertificateSpec,
  already: RevokedAlready & Pick<Subject, 'reason'>,
): number {
  if (values.json) {
    printJson({ version: 1, ...(values['dry-run'] && { dryRun: true }), revocations: [] });
  }
  const { revoked, at, reason } = already;
  const instead = insteadText(name, already, reason);
  printToStderr(`${name}: nothing to do: ${revoked.join(' ')} is revoked since ${at}, ${instead}\n`);
  return EXIT.ok;
}

/** @throws CommandRefused where no configured CA could revoke it */
function refuseForeign(config: Config, targets: readonly RevocationTarget[]): void {
  const known = new Set(configuredCas(config).map(({ directoryUrl }) => directoryUrl));
  for (const { leaf, directoryUrl } of targets) {
    if (known.has(directoryUrl)) continue;
    const why = `was issued by ${directoryUrl}, which is not configured: put it into acme.fallback to revoke what it has issued`;
    throw new CommandRefused(`${leaf.serialNumber} ${why}`);
  }
}

/** The request is written first: whoever is killed from then on, passes go on. */
async function revokeProvedLater(subject: Subject): Promise<number> {
  const { bucket, values, spec, reason, targets, isReplaced } = subject;
  const dryRun = values['dry-run'];
  const result = await orSayWhatStands(subject, async () => {
    if (!dryRun) await ask(subject);
    return pass(subject, { only: [spec.name], dryRun });
  });
  if (!isReplaced) printToStderr(outcomeTable(result.outcomes));
  if (dryRun) return preview(subject);
  await notifyHosts(passEnvironmentOf(values).log, result);
  const serials = [...new Set(targets.map(({ leaf }) => leaf.serialNumber))];
  const outcome = result.revocations?.find((one) => one.serials.some((serial) => serials.includes(serial)));
  const left = await readRevocation(bucket, spec.name);
  if (outcome === undefined && left === undefined && result.error === undefined) {
    const says = 'somebody else has taken the request back meanwhile, or it is done: see pemfleet audit';
    throw new CommandRefused(`${spec.name}: ${says}, and type it again if it is not`);
  }
  const since = now().toISOString();
  const waiting: RevocationOutcome = { certificate: spec.name, result: 'waiting', serials, reason, since };
  const { result: state, ...rest } = outcome ?? waiting;
  if (values.json) {
    const revocations = state === 'revoked' ? rest.serials.map((serial) => revocationOf(spec, serial)) : [];
    const failed = result.error === undefined ? {} : { error: errorOf(result.error) };
    printJson({ version: 1, ...failed, revocations, ...(left && { waiting: rest }) });
  }
  printToStderr(revocationLines([outcome ?? waiting]));
  if (result.error !== undefined) throw result.error;
  if (left === undefined) return EXIT.ok;
  const isFailed = state === 'failed' || result.outcomes.some((one) => one.result === 'failed');
  return isFailed ? EXIT.failed : EXIT.partlyFailed;
}

const revocationOf = ({ name }: CertificateSpec, serial: string) => ({ certificate: name, serial });

async function ask({ bucket, config, values, spec, targets }: Subject): Promise<void> {
  await checkOwnWriter({ bucket, config }, values);
  const audit = openAuditTrail(bucket, values);
  const { by, host, command } = audit.actor;
  const at = (await storeTime(bucket)).toISOString();
  const who = [host === undefined ? by : `${by} on ${host}`, command].join(': ').slice(0, 1000);
  const pems = targets.flatMap(({ sha256s, leaf, directoryUrl, reason }) =>
    sha256s.map((sha256) => {
      return { ...{ sha256, serial: leaf.serialNumber, directoryUrl }, ...{ at, reason, by: who } };
    }),
  );
  if (pems.length === 0) return;
  await addToRevocation(bucket, spec.name, pems);
  for (const reason of new Set(pems.map((pem) => pem.reason))) {
    const own = pems.filter((pem) => pem.reason === reason);
    const before = [...new Set(own.map(({ serial }) => serial))];
    await audit.record([{ action: 'revocation-asked', certificate: spec.name, before, reason }]);
  }
  await audit.flush();
}

async function pass(
  { bucket, config, values, isReplaced }: Subject,
  options: { only: [CertificateSpec['name']]; dryRun: boolean; force?: boolean; freshKey?: boolean },
): Promise<PassResult> {
  const identity = await ownIdentity(values);
  const forced = options.dryRun && !isReplaced ? { force: true, freshKey: true } : {};
  return runPassExclusively({
    ...{ bucket, config, options: { ...options, ...forced }, identity },
    audit: openAuditTrail(bucket, values),
    ...passEnvironmentOf(values),
  });
}

/**
 * A key that is stolen: whoever has not got the replacement yet is dark until then. The request is written first here, too: who is killed from
 * then on, and types it again, means the same certificate, and passes go on meanwhile.
 */
async function revokeNow(subject: Subject): Promise<number> {
  const { bucket, values, spec, isReplaced } = subject;
  if (values['dry-run']) {
    if (values.replace && !isReplaced) await replaceNow(subject, 'would not be revoked');
    return preview(subject);
  }
  const done = await orSayWhatStands(subject, async () => {
    await ask(subject);
    if (values.replace && !isReplaced) await replaceNow(subject, 'not revoked');
    return revokeAtOnce(subject);
  });
  const { revocations, problems } = done;
  for (const { serial, isNew, reason } of revocations) {
    printToStderr(`${spec.name}: ${serial} ${isNew ? 'revoked' : 'was revoked already'} (${reason})\n`);
  }
  if (!values.replace && !isReplaced) {
    printToStderr(
      `${spec.name}: nobody serves it until a pass has a new one; pemfleet plan says when that is\n`,
    );
  }
  for (const problem of problems) printToStderr(`${spec.name}: ${problem}\n`);
  const waiting = done.isKeyLeft
    ? await sayWhatStands(bucket, spec.name, serialsMeant(subject), 'key-left')
    : undefined;
  if (values.json) {
    const told = revocations.map(({ reason: _, ...one }) => one);
    const left = { ...(problems.length > 0 && { problems }), ...(waiting && { waiting }) };
    printJson({ version: 1, revocations: told, ...left });
  }
  return problems.length === 0 ? EXIT.ok : EXIT.failed;
}

/** @throws CommandRefused where there is none: what is revoked then would be missing */
async function replaceNow(subject: Subject, says: string): Promise<void> {
  const { values, spec } = subject;
  const dryRun = values['dry-run'];
  const result = await pass(subject, { force: true, freshKey: true, only: [spec.name], dryRun });
  printToStderr(outcomeTable(result.outcomes));
  if (result.outcomes.some((one) => one.result !== (dryRun ? 'planned' : 'issued'))) {
    throw new CommandRefused(
      `${spec.name}: ${says}: there is no replacement; --no-replace revokes without one`,
    );
  }
  if (!dryRun) await notifyHosts(passEnvironmentOf(values).log, result);
}

const serialsMeant = ({ targets, gone }: Pick<Subject, 'targets' | 'gone'>): string[] => [
  ...targets.map(({ leaf }) => leaf.serialNumber),
  ...gone.map(({ serial }) => serial),
];

/** What fails after the request is written leaves it in the bucket: that is said before the failure is. */
async function orSayWhatStands<T>(subject: Subject, work: () => Promise<T>): Promise<T> {
  const { bucket, spec, values } = subject;
  try {
    return await work();
  } catch (error) {
    if (values['dry-run']) throw error;
    const waiting = await sayWhatStands(bucket, spec.name, serialsMeant(subject), 'not-revoked');
    if (values.json && waiting !== undefined) {
      printJson({ version: 1, error: errorOf(error), revocations: [], waiting });
    }
    throw error;
  }
}

const errorOf = (error: unknown) => ({ code: codeOf(error), message: messageOf(error) });

type RevokedForReason = Omit<Revoked, 'revocations'> & {
  revocations: (Revoked['revocations'][number] & { reason: RevocationReason })[];
};

async function revokeAtOnce({
  bucket,
  config,
  values,
  spec,
  reason: said,
  targets,
  gone,
  signing,
}: Subject): Promise<RevokedForReason> {
  const { timing, log } = passEnvironmentOf(values);
  const audit = openAuditTrail(bucket, values);
  const fleets = await fleetsOfRevoked({ bucket, signing }, spec);
  const publishers = createPublishers(bucket, fleets, {
    ...publisherOptions(bucket, signing, now, log),
    floorOf: (fleet) => readHighestSequence(bucket, fleet, { keys: signing, now: now() }),
    audit,
  });
  const where = { certificate: spec.name, fleets, publishers, now: now() };
  const all: RevokedForReason = { revocations: [], problems: [], isKeyLeft: false };
  await withCas({ bucket, config, timing, log }, async (cas) => {
    const source = { bucket, signing, audit, log, cas };
    for (const reason of new Set([
      ...targets.map((target) => target.reason),
      ...(gone.length > 0 ? [said] : []),
    ])) {
      const own = {
        targets: targets.filter((one) => one.reason === reason),
        gone: reason === said ? gone : [],
      };
      const done = await revokeAndErase(source, where, { ...own, reason });
      all.revocations.push(...done.revocations.map((one) => ({ ...one, reason })));
      all.problems = [...all.problems, ...done.problems];
      all.isKeyLeft ||= done.isKeyLeft;
    }
  });
  await audit.flush();
  return all;
}

async function cancel(values: CommandValues, name: CertificateSpec['name']): Promise<number> {
  const { bucket } = await loadConfigAndBucket(values);
  const dryRun = values['dry-run'];
  const stored = await readRevocation(bucket, name);
  if (stored !== undefined && !dryRun) {
    await cancelRevocation(bucket, name, storeNow(bucket, now()));
    await recordAction(bucket, values, { action: 'revocation-cancelled', certificate: name });
  }
  if (values.json) printJson({ version: 1, dryRun, revocations: [] });
  const says =
    stored === undefined ? 'no revocation is asked for' : `${dryRun ? 'would not be' : 'is not'} revoked`;
  printToStderr(`${name}: ${says}${stored === undefined ? '' : '; what was published in its place stays'}\n`);
  return EXIT.ok;
}

/** The CA is asked nothing, and nothing is changed. */
function preview({ values, spec, targets }: Subject): number {
  const revocations = targets.map(({ leaf }) => revocationOf(spec, leaf.serialNumber));
  if (values.json) printJson({ version: 1, dryRun: true, revocations });
  const when =
    values.now || !values.replace ? '' : ', once every living host has proved what takes its place';
  for (const { leaf, reason } of targets) {
    printToStderr(`${spec.name}: ${leaf.serialNumber} would be revoked (${reason})${when}\n`);
  }
  return EXIT.ok;
}

/** On a terminal, it asks. @throws UsageError */
async function reasonOf(given: string | undefined): Promise<RevocationReason> {
  if (given === undefined && isTerminal())
    return askUntil(`reason (${REVOCATION_WORDS.join(', ')})`, '', parseReason);
  return parseReason(given ?? 'none');
}

function parseReason(value: string): RevocationReason {
  const reason = REVOCATION_WORDS.find((name) => name === value);
  if (reason === undefined)
    throw new UsageError(`--reason wants one of ${REVOCATION_WORDS.join(', ')}, saw ${value}`);
  return reason;
}
