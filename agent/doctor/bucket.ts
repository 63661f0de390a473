/** Checks the bucket from this host: can it be read, is the manifest whole, can the status be written? */

import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quoted } from '#common/cli/quoted.ts';
import { MINUTE_MS } from '#common/time.ts';
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { Manifest } from '#contract/manifest.ts';
import { isPlainHttp, parseBucketUrl } from '#storage/address.ts';
import type { Agent } from '../agent.ts';
import { type AgentConfig, ownershipPlace } from '../config/config.ts';
import { statusDigest } from '../pass/host-status.ts';
import { type KnownBefore, type PollResult, pollOrKeep, readKnown } from '../pass/poll.ts';
import { isRuntimeErrorCode } from '../reactions.ts';
import { readOwnership } from '../state/ownership.ts';
import { readStateDirectory, type StateDirectory } from '../state/state.ts';
import { type Finding, type FindingId, finding, listed } from './finding.ts';
import { writeFailure } from './host.ts';

export interface BucketExamination {
  manifest: Manifest | undefined;
  findings: readonly Finding[];
}

export async function examineBucket(agent: Agent): Promise<BucketExamination> {
  const { config } = agent;
  const missing = await missingDirectory(config);
  if (missing !== undefined) return { manifest: undefined, findings: [missing] };
  const polled = await pollOrKeep(agent, await knownBy(agent.instances?.[0] ?? agent));
  if (polled.error instanceof BucketError) {
    return { manifest: undefined, findings: [bucketFailure(polled.error, config)] };
  }
  const trust = polled.conditions.map(({ condition, saw, fix }) => finding(condition, saw, fix));
  const { manifest, findings } = readManifest(polled, config);
  const status = await examineStatus(agent);
  return { manifest, findings: [...judgeAddress(config), ...findings, ...trust, ...status] };
}

/** Plain HTTP is refused where the operator has not asked for it: here he has. */
export function judgeAddress({ bucket }: Pick<AgentConfig, 'bucket'>): Finding[] {
  const address = parseBucketUrl(bucket);
  const endpoint = address.kind === 's3' ? address.s3.endpoint : undefined;
  if (endpoint === undefined || !isPlainHttp(endpoint)) return [];
  const seen = `${endpoint}: whoever listens on the way reads the private keys of this fleet`;
  return [finding('bucket-insecure', seen, 'give the store a certificate, and the bucket URL https://')];
}

/** What the agent knows before it polls, but for the manifest: only a read of the whole shows that it may be read. */
async function knownBy(agent: Agent): Promise<KnownBefore> {
  const { config } = agent;
  const log = () => undefined;
  const stored = await readStateDirectory(config.stateDir, config, log);
  const ownership = await readOwnership(ownershipPlace(config), log);
  const known = await readKnown({ ...agent, log }, stored, ownership);
  return { ...known, manifest: undefined };
}

/** Checked first, because opening the bucket would create the directory, and a wrong path would look like an empty bucket. */
async function missingDirectory({ bucket, fleet }: AgentConfig): Promise<Finding | undefined> {
  const root = directoryOf(bucket);
  if (root === undefined) return undefined;
  const code = await stat(root).then(() => undefined, codeOf);
  if (code !== 'ENOENT') return undefined;
  const fix = `correct bucket in the agent's file, or publish fleet ${fleet} there: pemfleet run`;
  return finding('bucket-missing', `${root} does not exist`, fix);
}

const directoryOf = (url: string) => (url.startsWith('file:') ? fileURLToPath(url) : undefined);

/** The message of an S3 failure names the permission, the region or the clock; the fix follows from the code. */
function bucketFailure(error: unknown, { bucket, fleet }: AgentConfig): Finding {
  const root = directoryOf(bucket);
  const readRights = `s3:GetObject on published/${fleet}/*, and kms:Decrypt if the bucket has a KMS key of its own`;
  const fixes: Record<string, [FindingId, string]> = {
    ERR_BUCKET_DENIED: [
      'bucket-denied',
      root
        ? `chown -R pemfleet: ${quoted(root)}, or run the agent as the issuer's user`
        : `the host's role must allow ${readRights}`,
    ],
    ERR_BUCKET_CREDENTIALS: [
      'bucket-credentials',
      'give the instance a role, or set AWS_PROFILE in a drop-in: systemctl edit pemfleet-agent',
    ],
    ERR_BUCKET_CLOCK: ['clock-wrong', 'timedatectl set-ntp true'],
    ERR_BUCKET_MISSING: ['bucket-missing', `correct bucket in the agent's file (${bucket}), or its region`],
  };
  const other = `check bucket in the agent's file (${bucket}), and that this host can reach it`;
  const [id, fix] = fixes[codeOf(error)] ?? ['bucket-unreachable', other];
  return finding(id, messageOf(error), fix);
}

function readManifest({ manifest, error }: PollResult, { fleet }: AgentConfig): BucketExamination {
  if (error === undefined) return { manifest: manifest?.manifest, findings: [] };
  // A condition says why, and what to do.
  if (error.code === 'ERR_MANIFEST_REFUSED') return { manifest: manifest?.manifest, findings: [] };
  if (error.code === 'ERR_MANIFEST_MISSING') {
    const fix = `pemfleet run on the issuer; or correct fleet (${fleet}) in the agent's file`;
    return { manifest: undefined, findings: [finding('manifest-missing', error.message, fix)] };
  }
  // Nothing is wrong with the bucket: whom this host trusts stands in records that cannot be read.
  if (error.code === 'ERR_STATE_DIRECTORY') {
    const says = `the records of whom this host trusts cannot be read: ${error.message}`;
    return {
      manifest: undefined,
      findings: [finding('state-not-writable', says, 'as root: pemfleet-agent doctor --fix')],
    };
  }
  const isNewer = ['ERR_MANIFEST_VERSION', 'ERR_MANIFEST_REQUIRES'].includes(error.code);
  const fix = isNewer
    ? 'upgrade pemfleet-agent: the issuer is newer'
    : 'pemfleet run on the issuer writes it again; find out what else writes to the bucket';
  return { manifest: undefined, findings: [finding('manifest-unreadable', error.message, fix)] };
}

/**
 * S3 shows a right to write only by a write, and a host may write nothing but its status. So this check compares what
 * the last pass stored: is the status that it made the one that the bucket took?
 */
async function examineStatus({ config }: Agent): Promise<Finding[]> {
  const key = layout.status(config.fleet, config.host);
  const root = directoryOf(config.bucket);
  if (root === undefined) {
    return judgeReport(await readStateDirectory(config.stateDir, config, () => undefined), key);
  }
  const directory = dirname(join(root, key));
  const failure = await writeFailure(directory);
  if (failure === undefined) return [];
  return [finding('status-not-writable', failure, `chown -R pemfleet: ${quoted(directory)}`)];
}

function judgeReport({ status, state }: Pick<StateDirectory, 'status' | 'state'>, key: string): Finding[] {
  // A pass that failed as a whole stores nothing of its report.
  const wasReportable =
    status !== undefined && (status.error === undefined || isRuntimeErrorCode(status.error.code));
  if (!wasReportable || state.reported?.digest === statusDigest(status)) return [];
  const fix = `the host's role must allow s3:PutObject on ${key}; journalctl -u pemfleet-agent | grep status.failed`;
  return [finding('status-not-writable', `the last report of this host did not reach ${key}`, fix)];
}

/** Judges the times of the manifest's certificates, and with them the clock. Pure. */
export function judgeManifest(manifest: Manifest, now: Date, haproxyNow: Date | undefined): Finding[] {
  const pems = Object.entries(manifest.certificates).flatMap(([name, { pems }]) =>
    pems.map((pem) => ({ name, ...pem })),
  );
  const leftShare = (pem: (typeof pems)[number]) =>
    (Date.parse(pem.notAfter) - now.getTime()) / (Date.parse(pem.notAfter) - Date.parse(pem.notBefore));
  const namesWhere = (isMatch: (pem: (typeof pems)[number]) => boolean) => [
    ...new Set(pems.filter(isMatch).map(({ name }) => name)),
  ];
  const expired = namesWhere((pem) => leftShare(pem) <= 0);
  const overdue = namesWhere((pem) => leftShare(pem) > 0 && leftShare(pem) < 1 / 6);
  const fix = 'pemfleet plan on the issuer says why; check that its timer runs';
  const early = namesWhere((pem) => Date.parse(pem.notBefore) > now.getTime());
  const findings = judgeClock(manifest, now, haproxyNow, early);
  if (expired.length > 0) {
    findings.push(finding('certificate-expired', `expired and not renewed: ${listed(expired)}`, fix));
  }
  if (overdue.length > 0) {
    const seen = `less than a sixth of the lifetime left: ${listed(overdue)}`;
    findings.push(finding('certificate-overdue', seen, fix));
  }
  return findings;
}

const CLOCK_SLACK_MS = 2 * MINUTE_MS;

function judgeClock(
  { updatedAt }: Manifest,
  now: Date,
  haproxyNow: Date | undefined,
  early: readonly string[],
): Finding[] {
  const fix = "timedatectl set-ntp true, or correct the issuer's clock; date -u on both";
  const behindMs = Date.parse(updatedAt) - now.getTime();
  const apartMs = haproxyNow === undefined ? 0 : Math.abs(haproxyNow.getTime() - now.getTime());
  const seen = [
    ...(behindMs > CLOCK_SLACK_MS ? [`the manifest was written at ${updatedAt}`] : []),
    ...(early.length > 0 ? [`not yet valid: ${listed(early)}`] : []),
    ...(apartMs > CLOCK_SLACK_MS ? [`HAProxy's clock says ${haproxyNow?.toISOString()}`] : []),
  ];
  return seen.length === 0
    ? []
    : [finding('clock-wrong', `this host's clock says ${now.toISOString()}; ${seen.join('; ')}`, fix)];
}

/** Judges whether each PEM fits in one command. Pure. */
export function judgeSizes(manifest: Manifest, maxPemBytes: number): Finding[] {
  const sizes = Object.entries(manifest.certificates).flatMap(([name, { pems }]) =>
    pems.map(({ size }) => ({ name, size })),
  );
  const large = sizes.filter(({ size }) => size > maxPemBytes);
  if (large.length === 0) return [];
  const largest = Math.max(...large.map(({ size }) => size));
  const bufsize = 2 ** Math.ceil(Math.log2(largest + 1024));
  const seen = `too large for one command (${maxPemBytes} bytes of PEM at most): ${listed(large.map(({ name, size }) => `${name} has ${size}`))}`;
  return [
    finding(
      'bufsize-small',
      seen,
      `tune.bufsize ${bufsize} in HAProxy's global section, then reload it; haproxy.bufsize: ${bufsize} in the agent's file`,
    ),
  ];
}
