/** `pemfleet-agent trust`: shows whose manifests this host takes, and obeys the operator's word about it. Only records change. */
import { MINUTE_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { parseRootParts, type ReadRoot } from '#contract/root.ts';
import type { Agent, TrustReport, TrustWord } from '../agent.ts';
import { asBlocker } from '../blocker.ts';
import { ownershipPlace, trustPlaces } from '../config/config.ts';
import { checkDirectory } from '../deploy/disk.ts';
import { type PollResult, pollOrKeep, readKnown } from '../pass/poll.ts';
import { withDirectoryLock } from '../state/directory-lock.ts';
import { readOwnership } from '../state/ownership.ts';
import { readStateDirectory } from '../state/state.ts';
import { saveTrust } from '../state/trust.ts';
import { newTrust, type TrustRecord } from '../trust/record.ts';

const LOCK_TIMEOUT_MS = 5 * MINUTE_MS;

export async function showTrust(agent: Agent, word: TrustWord | undefined): Promise<TrustReport[]> {
  const reports: TrustReport[] = [];
  for (const instance of agent.instances ?? [agent]) {
    reports.push(await (word === undefined ? currentTrust(instance) : whileLocked(instance, word)));
  }
  return reports;
}

async function readAll(agent: Agent) {
  const { config, log } = agent;
  const stored = await readStateDirectory(config.stateDir, config, log);
  const ownership = await readOwnership(ownershipPlace(config), log);
  return { stored, ownership, known: await readKnown(agent, stored, ownership) };
}

async function currentTrust(agent: Agent): Promise<TrustReport> {
  const { known } = await readAll(agent);
  const polled = await pollOrKeep(agent, known);
  return reportOf(agent, polled);
}

async function whileLocked(agent: Agent, word: TrustWord): Promise<TrustReport> {
  const { certsDir } = agent.config.haproxy;
  await checkDirectory(certsDir);
  const lock = { timeoutMs: LOCK_TIMEOUT_MS, log: agent.log };
  return withDirectoryLock(certsDir, lock, () => obey(agent, word));
}

async function obey(agent: Agent, word: TrustWord): Promise<TrustReport> {
  const { config } = agent;
  const { stored, ownership, known } = await readAll(agent);
  if (known.blank !== undefined) throw known.blank;
  const before = await pollOrKeep(agent, known);
  const after = await afterWord(agent, before.trust, word);
  if (typeof after === 'string') return reportOf(agent, before, 'refused', after);
  const isSaved = await saveTrust(trustPlaces(config), after, known.saved);
  ownership.keepTrust(after);
  const isCopied = await ownership.save(ownership.recordsWith(stored.state));
  const polled = await pollOrKeep(agent, { ...known, trust: after });
  if (!isSaved && !isCopied) {
    const message = `neither ${config.stateDir} nor ${config.haproxy.certsDir} takes it`;
    return reportOf(agent, polled, 'refused', message);
  }
  const isSame =
    after.trusted.key === known.trust?.trusted.key && after.isConfirmed === known.trust.isConfirmed;
  return reportOf(agent, polled, isSame ? 'unchanged' : 'changed');
}

function reportOf(
  { config }: Agent,
  { trust, manifest, conditions, error }: PollResult,
  result?: TrustReport['result'],
  message?: string,
): TrustReport {
  const { sequence, signedAt } = manifest?.manifest ?? {};
  const instance = config.haproxy.name;
  return { instance, trust, sequence, signedAt, conditions, error, result, message };
}

/** @returns why not, or the record after the word */
async function afterWord(
  agent: Agent,
  trust: TrustRecord | undefined,
  { kind, key }: TrustWord,
): Promise<TrustRecord | string> {
  const pinned = agent.config.trust.key;
  const isOwn = key === trust?.trusted.key;
  if (trust !== undefined && isOwn) return trust.isConfirmed ? trust : { ...trust, isConfirmed: true };
  if (kind === 'confirm') {
    const has = trust === undefined ? 'seen no signed manifest yet' : `key ${trust.trusted.key}`;
    return `this host has ${has}; to take ${key} in its place, pemfleet-agent trust --accept ${key}`;
  }
  if (pinned !== undefined && pinned !== key) {
    return `trust.key in the agent's file says ${pinned}, and counts more: change it there`;
  }
  const root = await publishedRoot(agent);
  if (typeof root === 'string') return root;
  if (root !== undefined && root.key !== key) {
    return `root.json is signed by key ${root.key}, not by ${key}: compare with "pemfleet key show" on the issuer`;
  }
  return { ...newTrust({ key, lineage: root?.manifest.lineage }, true), floors: trust?.floors ?? {} };
}

/** @returns undefined if nothing is published, or why it cannot be read */
async function publishedRoot({
  openBucket,
  config: { fleet },
}: Agent): Promise<ReadRoot | string | undefined> {
  try {
    const object = await (await openBucket()).get(layout.root(fleet));
    return object && parseRootParts(fleet, object.body);
  } catch (error) {
    const { code, message } = asBlocker(error);
    return `${code}: ${message}`;
  }
}
