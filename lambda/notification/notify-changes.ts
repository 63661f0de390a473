/**
 * STORYBOARD of telling: what differs from what was told → notices, one for each kind → kept in the outbox → sent → taken out of it. Each
 * change once, whoever computes it; nothing here fails a pass.
 */
import { codeOf, messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { NOTICE_KINDS } from '../config/notify/channel.ts';
import type { NotifySettings } from '../config/notify/notify.ts';
import type { Level } from '../figures/levels.ts';
import type { Problem, ProblemFacts } from '../figures/problems.ts';
import type { Log } from '../log.ts';
import type { PassResult } from '../outcome.ts';
import { changesOf } from './changes.ts';
import { levelsOf, type StandingLevel, standingLevels } from './conditions.ts';
import { deliver, type NoticeChannels } from './deliver.ts';
import { digestNotice, lastDigestTime } from './digest.ts';
import { followConditions } from './follow.ts';
import { groupChanges, withNamed } from './group.ts';
import {
  EMPTY_MEMORY,
  type Followed,
  type NoticeMemory,
  type PendingNotice,
  readMemory,
  type StoredMemory,
  saveMemory,
} from './memory.ts';
import { claimPending, fillOutbox, type Subscriptions, withoutDelivered } from './outbox.ts';
import { followPublications } from './publications.ts';

export interface NoticeOptions {
  bucket: Bucket;
  log: Log;
  now: Date;
  settings: NotifySettings;
  /** Those that this program can use; the others wait for `pemfleet notify`. */
  channels: NoticeChannels;
  wakeMinutes: number;
  /** For all channels together. */
  withinMs: number;
}

/** What is true at the end of a pass. */
export interface NoticeFacts {
  facts: ProblemFacts;
  problems: readonly Problem[];
  /** Levels of which some facts are unknown: what was in them may stand. */
  incomplete: ReadonlySet<Level>;
  manifests: PassResult['manifests'];
  /** Names in the configuration. */
  configured: ReadonlySet<string>;
}

/** Somebody else has written between our reading and our writing. */
const ATTEMPTS = 4;

export async function notifyChanges(options: NoticeOptions, known: NoticeFacts): Promise<void> {
  try {
    await attemptSaves(options, (memory, isNew) => withNews(options, known, { memory, isNew }));
  } catch (error) {
    options.log('notice.failed', { code: codeOf(error), error: messageOf(error) });
  }
}

/** Sends what waits, and computes nothing: what a hardened unit cannot send itself. @throws BucketError */
export function sendPending(options: NoticeOptions): Promise<void> {
  return attemptSaves(options, (memory) => withNotices(options, memory, []));
}

async function attemptSaves(
  options: NoticeOptions,
  next: (memory: NoticeMemory, isNew: boolean) => NoticeMemory,
): Promise<void> {
  const { bucket, channels, now, log } = options;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const stored = await readMemory(bucket);
    const memory = next(stored.value ?? EMPTY_MEMORY, stored.value === undefined);
    const { pending, claimed } = claimPending(memory.pending, (name) => channels.has(name), now);
    const saved = await saveMemory(bucket, { ...memory, pending }, stored);
    if (saved === undefined) continue;
    return send(options, claimed, saved);
  }
  log('notice.failed', { error: `another program writes what was told at the same time: ${ATTEMPTS} times` });
}

function withNews(
  options: NoticeOptions,
  { facts, problems, incomplete, manifests, configured }: NoticeFacts,
  { memory, isNew }: { memory: NoticeMemory; isNew: boolean },
): NoticeMemory {
  const { bucket, now, settings, wakeMinutes } = options;
  const current = standingLevels(facts, problems, wakeMinutes);
  const issued = new Set(
    facts.outcomes.flatMap(({ result, certificate }) => (result === 'issued' ? [certificate] : [])),
  );
  const certificates = isNew ? undefined : memory.certificates;
  const published = followPublications(manifests, { certificates, issued, now });
  const isUnknown = unknownBy(current, incomplete);
  const followed = followConditions(memory.conditions, current, isUnknown, now);
  const endOf = endsBy(facts, configured);
  const changes = changesOf(published.changes, followed.changes, { now, endOf });
  const frame = { bucket: bucket.url, now, conditions: followed.conditions, before: memory.conditions };
  const notices = groupChanges(changes, frame);
  const dueAt = lastDigestTime(settings.digest, now);
  const { digestAt = dueAt } = memory;
  const isDigestDue = dueAt !== undefined && digestAt !== undefined && digestAt < dueAt;
  const digest = isDigestDue ? [digestNotice(dueAt, frame, current, { ...facts, manifests })] : [];
  const all = [...notices, ...digest];
  const next = {
    certificates: published.certificates,
    conditions: withNamed(followed.conditions, all),
    ...(dueAt !== undefined && { digestAt: dueAt }),
    pending: memory.pending,
  };
  return withNotices(options, next, all);
}

function withNotices(
  { settings, now, log }: NoticeOptions,
  memory: NoticeMemory,
  notices: Parameters<typeof fillOutbox>[1],
): NoticeMemory {
  const { pending, dropped } = fillOutbox(memory.pending, notices, subscriptionsOf(settings), now);
  for (const { notice, channels, attempts } of dropped) {
    const { kind, id, count } = notice;
    log('notice.dropped', { kind, count, id, channels, attempts });
  }
  return { ...memory, pending };
}

function subscriptionsOf({ channels }: NotifySettings): Subscriptions {
  return new Map(Object.entries(channels).map(([name, { only = NOTICE_KINDS }]) => [name, only]));
}

/** A silent host may be well or not; what could not be read is not over. */
function unknownBy(current: readonly StandingLevel[], incomplete: ReadonlySet<Level>) {
  const silent = new Set(
    current.flatMap((one) => (one.kind === 'silent' ? [`${one.fleet}/${one.host}`] : [])),
  );
  return ({ kind, fleet, host }: Followed): boolean =>
    levelsOf(kind).some((level) => incomplete.has(level)) ||
    ((kind === 'behind' || kind === 'drift') && silent.has(`${fleet}/${host}`));
}

function endsBy({ fleets, published, unconfigured }: ProblemFacts, configured: ReadonlySet<string>) {
  const subjects = new Set([...published, ...unconfigured].map((one) => `${one.fleet}/${one.certificate}`));
  return ({ kind, fleet, host, certificate = '' }: Followed): string | undefined => {
    if (kind === 'failing') return configured.has(certificate) ? undefined : 'unconfigured';
    if (kind === 'expiring') return subjects.has(`${fleet}/${certificate}`) ? undefined : 'unpublished';
    if (host === undefined) return undefined;
    const summary = fleets.find((one) => one.fleet === fleet)?.summaries[host];
    return summary === undefined || summary.hasLeft ? 'left' : undefined;
  };
}

async function send(
  options: NoticeOptions,
  claimed: readonly PendingNotice[],
  saved: StoredMemory,
): Promise<void> {
  if (claimed.length === 0) return;
  const { bucket, channels, log, withinMs } = options;
  const delivered = await deliver(claimed, channels, { log, withinMs });
  let stored = saved;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const { value } = stored;
    // Lost meanwhile: nothing waits in it.
    if (value === undefined) return;
    const pending = withoutDelivered(value.pending, claimed, delivered);
    if ((await saveMemory(bucket, { ...value, pending }, stored)) !== undefined) return;
    stored = await readMemory(bucket);
  }
  log('notice.failed', {
    error: 'that the notices were sent could not be kept: the next pass sends them again',
  });
}
