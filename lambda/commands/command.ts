/** What the commands of `pemfleet` share. Part of the composition root: it touches streams, clock, randomness and environment. */
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isJournal, type JournalLevel, withPriority, writeNotice, writeResult } from '#common/cli/streams.ts';
import { escapedJson, printable } from '#common/printable.ts';
import { readSettingsText } from '#common/settings/read-text.ts';
import type { Bucket, BucketAccess } from '#storage/bucket.ts';
import { openBucket } from '#storage/open.ts';
import { commandActor } from '../audit/actor.ts';
import type { AuditFact } from '../audit/line.ts';
import { AuditTrail } from '../audit/trail.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import { type GivenBucket, parseConfig } from '../config/yaml.ts';
import { type EventName, jsonLog, type Log, levelOf, textLog } from '../log.ts';
import type { Pass } from '../pass.ts';
import { loadConfigFile } from '../wiring.ts';
import { type CommandValues, UsageError } from './line/options.ts';
import { bucketOfStack } from './line/stack.ts';
import { continueForBucket } from './line/user.ts';

/** @returns the exit status (`EXIT`) */
export type Command = (values: CommandValues, operands: readonly string[]) => Promise<number>;

export const now = () => new Date();
/** The only ways out: whatever hosts, CAs and manifests say, no terminal acts on it. */
export const print = (text: string) => writeResult(process.stdout, text);
export const printToStderr = (text: string) => writeResult(process.stderr, text);
/** What ends the program: an error in the journal, too. */
export const printFailure = (text: string) => writeResult(process.stderr, forReader(text, 'error'));
/** A line of the log, for example: the exit status is the same where nobody can read it. */
export const printNotice = (text: string, level: JournalLevel = 'info') =>
  writeNotice(process.stderr, forReader(text, level));
const forJournal = isJournal(process.stderr.fd, process.env['JOURNAL_STREAM']);
const forReader = (text: string, level: JournalLevel) => (forJournal ? withPriority(text, level) : text);
/** One line that the next one takes the place of; nothing where nobody sees it. */
export const printProgress = (text: string) =>
  process.stderr.isTTY && process.stderr.write(`\r${printable(text)}`);
export const clearProgress = () => process.stderr.isTTY && process.stderr.write('\r\x1b[K');
/** Of the terminal, or as COLUMNS says; a pipe has no width. */
export function terminalWidth(): number {
  const columns = process.stdout.columns ?? Number(process.env['COLUMNS']);
  return columns >= 40 ? columns : 120;
}
export const printJson = (value: unknown) => {
  hasJson = true;
  return print(`${escapedJson(value, 2)}\n`);
};
let hasJson = false;
/** Stdout is one document: what failed after it is on stderr alone. */
export const hasPrintedJson = () => hasJson;

/** Gets a line for whatever this command changes; `flush` at its end says what could not be written. */
export function openAuditTrail(bucket: Bucket, values: CommandValues): AuditTrail {
  return new AuditTrail(bucket, commandActor(process.argv.slice(2), process.env, values.reason), now);
}

/** The line of a command that changes one thing. @throws BucketError where the store fails: what was done is done */
export async function recordAction(bucket: Bucket, values: CommandValues, fact: AuditFact): Promise<void> {
  const audit = openAuditTrail(bucket, values);
  await audit.record([fact]);
  await audit.flush();
}

/** With the bucket that the command line or the environment names. */
export async function loadConfig(values: CommandValues): Promise<Config> {
  const given = await givenBucket(values);
  const parse = (file: string, text: string) => parseConfig(file, text, given);
  return loadConfigFile(values.config, parse, readSettingsText);
}

/**
 * @param access default: what `--dry-run` says
 * @throws WrongUser
 */
export async function loadConfigAndBucket(
  values: CommandValues,
  access: BucketAccess = values['dry-run'] ? 'read' : 'write',
): Promise<{ config: Config; bucket: Bucket }> {
  const config = await loadConfig(values);
  await continueForBucket(config.bucket, access, values);
  return { config, bucket: await openBucket(config.bucket, access) };
}

/** In place of the one that the configuration names. An empty variable says nothing. */
async function givenBucket({ bucket: url, stack }: CommandValues): Promise<GivenBucket | undefined> {
  if (url !== undefined && stack !== undefined)
    throw new UsageError('--stack names a bucket, --bucket another one');
  if (stack !== undefined) return { url: await bucketOfStack(stack, process.env), origin: '--stack' };
  if (url !== undefined) return { url, origin: '--bucket' };
  const variable = process.env['PEMFLEET_BUCKET'];
  return variable ? { url: variable, origin: 'PEMFLEET_BUCKET' } : undefined;
}

export function passEnvironmentOf(values: CommandValues): Pick<Pass, 'timing' | 'random' | 'log'> {
  const seconds = Number(values.timeout);
  if (!(seconds > 0)) throw new UsageError(`--timeout wants seconds, saw ${values.timeout}`);
  const deadline = new Date(Date.now() + seconds * 1000);
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
