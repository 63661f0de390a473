/** What the commands of `pemfleet` share. Part of the composition root: it touches streams, clock, randomness and environment. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isJournal, type JournalLevel, withPriority, writeNotice, writeResult } from '#common/cli/streams.ts';
import { escapedJson, printable, printableLines } from '#common/printable.ts';
import { MINUTE_MS } from '#common/time.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { Bucket, BucketAccess } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';
import { commandActor } from '../audit/actor.ts';
import type { AuditFact } from '../audit/line.ts';
import { AuditTrail } from '../audit/trail.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import { recordBeforeChange } from '../fleet/served/before-change.ts';
import { configDigest } from '../identity/config-digest.ts';
import { type IssuerIdentity, machineIdentity } from '../identity/identity.ts';
import { checkWriter } from '../identity/writers.ts';
import { type EventName, jsonLog, type Log, levelOf, textLog } from '../log.ts';
import type { Pass } from '../pass.ts';
import { type CommandValues, UsageError } from './line/options.ts';
import { readOnly } from './remote/read-only.ts';
import { type RemoteStage, remoteStage } from './remote/stage.ts';

/** @returns the exit status (`EXIT`) */
export type Command = (values: CommandValues, operands: readonly string[]) => Promise<number>;

export const now = () => new Date();
/** The only ways out: whatever hosts, CAs and manifests say, no terminal acts on it. In a function both are collected. */
export const print = (text: string) => writeRemotely('stdout', text) ?? writeResult(process.stdout, text);
/** On a terminal. @param paint adds what a terminal acts on, to text that is printable already */
export const printColoured = (text: string, paint: (printable: string) => string) =>
  process.stdout.write(paint(printableLines(text)));
export const printToStderr = (text: string) =>
  writeRemotely('stderr', text) ?? writeResult(process.stderr, text);
/** What ends the program: an error in the journal, too. */
export const printFailure = (text: string) =>
  writeRemotely('stderr', text) ?? writeResult(process.stderr, forReader(text, 'error'));
/** A line of the log, for example: the exit status is the same where nobody can read it. */
export const printNotice = (text: string, level: JournalLevel = 'info') =>
  writeRemotely('stderr', text) ?? writeNotice(process.stderr, forReader(text, level));
const writeRemotely = (stream: 'stdout' | 'stderr', text: string) =>
  remoteStage()?.write(stream, printableLines(text));
const forJournal = isJournal(process.stderr.fd, process.env['JOURNAL_STREAM']);
const forReader = (text: string, level: JournalLevel) => (forJournal ? withPriority(text, level) : text);
/** One line that the next one takes the place of; nothing where nobody sees it. */
export const printProgress = (text: string) =>
  process.stderr.isTTY && process.stderr.write(`\r${printable(text)}`);
export const clearProgress = () => process.stderr.isTTY && process.stderr.write('\r\x1b[K');
/** Of the terminal, or as COLUMNS says; a pipe has no width. */
export function terminalWidth(): number {
  const remote = remoteStage();
  if (remote !== undefined) return remote.width;
  const columns = process.stdout.columns ?? Number(process.env['COLUMNS']);
  return columns >= 40 ? columns : 120;
}
/** Of rows that somebody searches: what they go into but no terminal takes them whole. */
export function rowWidth(): number {
  const isPipe = remoteStage() === undefined && !process.stdout.columns && !process.env['COLUMNS'];
  return isPipe ? Number.POSITIVE_INFINITY : terminalWidth();
}
export const printJson = (value: unknown) => {
  const remote = remoteStage();
  if (remote === undefined) hasJson = true;
  else remote.hasJson = true;
  return print(`${escapedJson(value, 2)}\n`);
};
/** One that says whether it was a rehearsal. */
export const printResult = (values: Pick<CommandValues, 'dry-run'>, result: object) =>
  printJson({ version: 1, ...(values['dry-run'] && { dryRun: true }), ...result });
let hasJson = false;
/** Stdout is one document: what failed after it is on stderr alone. */
export const hasPrintedJson = () => remoteStage()?.hasJson ?? hasJson;

/** Gets a line for whatever this command changes; `flush` at its end says what could not be written. */
export function openAuditTrail(bucket: Bucket, values: CommandValues): AuditTrail {
  const { reason } = values;
  const actor = remoteStage()?.actor(reason) ?? commandActor(process.argv.slice(2), process.env, reason);
  return new AuditTrail(bucket, actor, now);
}

/** Which issuer this is: the function, or this machine with its pemfleet.yaml. */
export async function ownIdentity(values: CommandValues): Promise<IssuerIdentity> {
  return remoteStage()?.identity ?? machineIdentity(values.config, process.env);
}

/** @throws ContractError `ERR_ISSUER_CONFLICT` where another issuer works on the bucket with another configuration */
export async function checkOwnWriter(
  { bucket, config }: { bucket: Bucket; config: Config },
  values: CommandValues,
): Promise<void> {
  await checkWriter(bucket, { identity: await ownIdentity(values), config: configDigest(config) }, now());
}

/** The pass beside it, on a directory, has this long to end. */
const PASS_END_MS = 15 * MINUTE_MS;

/** Alone on the bucket, as a pass is; a dry run needs no lock. */
export function besidePasses<T>(bucket: Bucket, values: CommandValues, work: () => Promise<T>): Promise<T> {
  return values['dry-run'] ? work() : bucket.exclusively('pass', PASS_END_MS, work);
}

/** The line of a command that changes one thing. @throws BucketError where the store fails: what was done is done */
export async function recordAction(bucket: Bucket, values: CommandValues, fact: AuditFact): Promise<void> {
  const audit = openAuditTrail(bucket, values);
  await audit.record([fact]);
  await audit.flush();
}

/** Before another version comes in the place of what hosts serve. */
export async function recordServing(
  bucket: Bucket,
  fleets: readonly FleetName[],
  names: readonly CertificateName[],
): Promise<void> {
  for (const problem of await recordBeforeChange(bucket, fleets, names, now())) {
    printToStderr(`pemfleet audit --serial will not know who serves ${names.join(', ')} now: ${problem}\n`);
  }
}

/** With the bucket that the command line or the environment names; in a function, the function's own. */
export async function loadConfig(values: CommandValues): Promise<Config> {
  const remote = remoteStage();
  if (remote !== undefined) return remote.loadConfig();
  const { loadLocalConfig } = await import('./line/local.ts');
  return loadLocalConfig(values);
}

/**
 * @param access default: what `--dry-run` says
 * @throws WrongUser; UsageError by an alias of the function that only reads
 */
export async function loadConfigAndBucket(
  values: CommandValues,
  access: BucketAccess = values['dry-run'] ? 'read' : 'write',
): Promise<{ config: Config; bucket: Bucket }> {
  const config = await loadConfig(values);
  const remote = remoteStage();
  if (remote !== undefined) return { config, bucket: await openRemotely(remote, config, access) };
  const { continueLocally } = await import('./line/local.ts');
  await continueLocally(config.bucket, access, values);
  return { config, bucket: await openBucket(config.bucket, access) };
}

async function openRemotely(
  { alias, bucketUrl }: RemoteStage,
  config: Config,
  access: BucketAccess,
): Promise<Bucket> {
  if (alias === 'read' && access === 'write')
    throw new UsageError('the alias read of the function changes nothing: this wants the alias change');
  const bucket = await openBucket(bucketUrl ?? config.bucket, access);
  return alias === 'read' ? readOnly(bucket) : bucket;
}

export function passEnvironmentOf(values: CommandValues): Pick<Pass, 'timing' | 'random' | 'log'> {
  const seconds = Number(values.timeout);
  if (!(seconds > 0)) throw new UsageError(`--timeout wants seconds, saw ${values.timeout}`);
  const wanted = Date.now() + seconds * 1000;
  const deadline = new Date(Math.min(wanted, remoteStage()?.deadline.getTime() ?? wanted));
  const timing = { now, deadline, sleep: (ms: number) => sleep(ms) };
  return { timing, random: () => randomInt(2 ** 32) / 2 ** 32, log: logOf(values) };
}

export function specOf(config: Config, name: string): CertificateSpec {
  const spec = config.certificates.find((certificate) => certificate.name === name);
  if (spec !== undefined) return spec;
  const names = config.certificates.map((certificate) => certificate.name).join(', ');
  throw new UsageError(`no certificate ${name} in the configuration; it has ${names}`);
}

function logOf(values: CommandValues): Log {
  if (values.quiet) return () => undefined;
  const write = (line: string, event: EventName) => printNotice(line, levelOf(event));
  return values['log-format'] === 'json' ? jsonLog(write, now) : textLog(write, now);
}
