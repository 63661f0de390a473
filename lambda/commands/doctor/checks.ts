/** What doctor asks of the bucket and of this machine, as the user that orders. */
import { randomUUID } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RunHostCommand } from '#common/systemd/host-command.ts';
import type { UnitProperties } from '#common/systemd/unit-view.ts';
import { MINUTE_MS, spanText } from '#common/time.ts';
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type Config, configuredFleets } from '../../config/config.ts';
import { configDigest } from '../../identity/config-digest.ts';
import type { IssuerIdentity } from '../../identity/identity.ts';
import { ownClockOffset } from '../../identity/store-clock.ts';
import { checkWriter, lastPassAt } from '../../identity/writers.ts';
import type { PreflightFinding } from '../../preflight/finding.ts';
import { openSigningKey } from '../../signing/signing-key.ts';
import { type IssuerFinding, issuerFinding } from './finding.ts';

/** A write that has to be new, a read, a listing, a delete, of a key of our own: the rights and the conditions of the store. */
export async function checkBucket(bucket: Bucket, now: () => Date): Promise<IssuerFinding[]> {
  const key = layout.probe(randomUUID());
  const begin = now();
  try {
    await bucket.put(key, 'doctor\n', { ifNoneMatch: '*' });
    await bucket.get(key);
    await bucket.list(layout.probe(''));
    await bucket.delete(key);
  } catch (error) {
    const fix = 'the message names the right, the room, the region or the clock; docs/errors.md has the code';
    return [issuerFinding('bucket-failed', `${codeOf(error)} ${messageOf(error)}`, fix)];
  }
  const offsetMs = ownClockOffset(bucket, begin, now());
  if (offsetMs === undefined) return [];
  const saw = `the clock of this machine and the store's differ by ${spanText(Math.abs(offsetMs))}`;
  return [issuerFinding('clock-off', saw, 'timedatectl set-ntp true')];
}

/** @param identity of the issuer of this machine */
export async function checkIssuing(
  bucket: Bucket,
  config: Config,
  identity: IssuerIdentity,
  now: Date,
): Promise<IssuerFinding[]> {
  const findings: IssuerFinding[] = [];
  const note = (id: 'signing-key' | 'issuer-conflict', fix: string) => (error: unknown) => {
    const saw = `${codeOf(error)} ${messageOf(error)}`;
    // A key that cannot be read is not lost.
    const isStore = error instanceof BucketError;
    findings.push(isStore ? issuerFinding('bucket-failed', saw, STORE_FIX) : issuerFinding(id, saw, fix));
  };
  const lost = 'docs/runbook.md, "The signing key": pemfleet key recover --recovery-key FILE';
  await openSigningKey(bucket, { fleets: configuredFleets(config), dryRun: true }).catch(
    note('signing-key', lost),
  );
  const newcomer = { identity, config: configDigest(config) };
  await checkWriter(bucket, newcomer, now).catch(
    note('issuer-conflict', 'pemfleet take-over, if this one counts'),
  );
  const at = await lastPassAt(bucket);
  const lateMs =
    at === undefined ? 0 : now.getTime() - at.getTime() - OVERDUE_MS - config.wakeMinutes * MINUTE_MS;
  if (at !== undefined && lateMs > 0) {
    const fix = 'systemctl enable --now pemfleet.timer; journalctl -u pemfleet -n 50';
    findings.push(issuerFinding('pass-overdue', `the last pass began at ${at.toISOString()} or before`, fix));
  }
  return findings;
}

const STORE_FIX =
  'in a directory, as root: pemfleet doctor --fix; with S3 the message names the right; docs/errors.md has the code';

/** Its time is noted once an hour. */
const OVERDUE_MS = 125 * MINUTE_MS;

export async function checkClock(runCommand: RunHostCommand): Promise<IssuerFinding[]> {
  const { stdout } = await runCommand('timedatectl', ['show', '-p', 'NTPSynchronized', '--value']);
  if (stdout.trim() !== 'no') return [];
  const saw = 'nothing synchronizes the clock of this machine';
  return [issuerFinding('clock-unsynchronized', saw, 'timedatectl set-ntp true')];
}

/**
 * Where the unit runs, it answers HTTP: what, is the business of `check-responder`.
 * @param waitMs for one that was started just now
 */
export async function checkResponderUnit(
  { ActiveState, ExecStart = '' }: UnitProperties,
  waitMs = 0,
): Promise<IssuerFinding[]> {
  const [, address] = /--listen[= ](\S+)/.exec(ExecStart) ?? [];
  if (ActiveState !== 'active' || address === undefined) return [];
  const url = `http://${address.replace(/^(0\.0\.0\.0|\[::\]):/, '127.0.0.1:')}/.well-known/acme-challenge/pemfleet-doctor`;
  try {
    await askUntil(url, performance.now() + waitMs);
    return [];
  } catch (error) {
    const saw = `nothing answers at ${address}, though pemfleet-responder.service runs (${messageOf(error)})`;
    return [issuerFinding('responder-silent', saw, 'journalctl -u pemfleet-responder -n 50')];
  }
}

async function askUntil(url: string, deadline: number): Promise<void> {
  try {
    await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS), redirect: 'manual' });
  } catch (error) {
    if (performance.now() >= deadline) throw error;
    await sleep(AGAIN_MS);
    await askUntil(url, deadline);
  }
}

const [ANSWER_MS, AGAIN_MS] = [5000, 100];

/** @returns undefined where the bucket is there, or is no directory of this machine */
export async function missingBucket(directory: string | undefined): Promise<IssuerFinding | undefined> {
  if (directory === undefined) return undefined;
  const code = await stat(directory).then(() => undefined, codeOf);
  if (code !== 'ENOENT') return undefined;
  const saw = `${directory} does not exist, so names, port 80 and the CA were not checked`;
  return issuerFinding('bucket-missing', saw, 'pemfleet run makes it; pemfleet doctor again after that');
}

/** Of `plan --check`; an account that is still to come, and a limit that nothing waits for, are no findings. */
export function ofPreflight(findings: readonly PreflightFinding[]): IssuerFinding[] {
  return findings.flatMap(({ advice = 'pemfleet plan --check', check, result, saw, subject, wanted }) => {
    const isOpen = result === 'unknown' && check !== 'account' && check !== 'limits';
    if (result !== 'failed' && !isOpen) return [];
    const severity = result === 'failed' ? ('error' as const) : ('warning' as const);
    return [
      {
        id: `check-${check}` as const,
        severity,
        seen: `${subject}: wanted ${wanted}, saw ${saw}`,
        fix: advice,
      },
    ];
  });
}
