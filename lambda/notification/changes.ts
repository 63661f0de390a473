/** The list of changes, each once: a renewal that ends a failure is one change, not two. Pure. */
import { createHash } from 'node:crypto';
import { printable } from '#common/printable.ts';
import { longestShortened, shortened } from '#common/shorten.ts';
import type { StandingLevel } from './conditions.ts';
import type { FollowedChange } from './follow.ts';
import type { Followed } from './memory.ts';
import type { NoticeChange } from './notice.ts';
import type { PublicationChange } from './publications.ts';

const MAX_REASON = 500;
const [MAX_NAMES, MAX_NAME, MAX_SERIAL] = [20, 300, 200];

interface Moment {
  now: Date;
  /** Why something is over though nothing was mended: its host has left, nobody configures it any more. */
  endOf?: (was: Followed) => string | undefined;
}

/** @param renewed of followPublications(). @param followed of followConditions() */
export function changesOf(
  renewed: readonly PublicationChange[],
  followed: readonly FollowedChange[],
  moment: Moment,
): NoticeChange[] {
  const { now } = moment;
  const used = new Set<FollowedChange>();
  const publications = renewed.map((one) => {
    const ended = followed.filter((other) => isEndedBy(other, one));
    for (const each of ended) used.add(each);
    return publicationChange(one, ended, now);
  });
  const others = followed.filter((one) => !used.has(one)).flatMap((one) => conditionChange(one, moment));
  return [...publications, ...others];
}

function isEndedBy({ type, was }: FollowedChange, { certificate, fleets }: PublicationChange): boolean {
  if (type !== 'ended' || was?.certificate !== certificate) return false;
  return was.kind === 'failing' || (was.kind === 'expiring' && fleets.includes(was.fleet ?? ''));
}

function publicationChange(
  { kind, action, certificate, serial, previousSerial, notAfter, ...rest }: PublicationChange,
  ended: readonly FollowedChange[],
  now: Date,
): NoticeChange {
  const { fleets, identifiers, at } = rest;
  const [first] = ended;
  const isCured = kind === 'renewed' && first?.was !== undefined;
  return {
    id: idOf(
      'publication',
      kind,
      certificate,
      serial,
      ...(action === 'rolled-back' ? [at.toISOString()] : []),
    ),
    kind: isCured ? 'recovered' : kind,
    at: now.toISOString(),
    ...{ certificate, fleets: fleets.slice(0, MAX_NAMES), action: word(action) },
    serial: serial.slice(0, MAX_SERIAL),
    ...(previousSerial !== undefined && { previousSerial: previousSerial.slice(0, MAX_SERIAL) }),
    ...(notAfter !== undefined && { notAfter }),
    ...(identifiers && { identifiers: identifiers.slice(0, MAX_NAMES).map(word) }),
    ...(isCured && { ended: first.was?.kind, since: first.was?.since.toISOString() }),
    ...(ended.length > 0 && { conditions: ended.map(({ key }) => key).slice(0, MAX_NAMES) }),
  };
}

function conditionChange(
  { key, type, was, now: current }: FollowedChange,
  { now, endOf }: Moment,
): NoticeChange[] {
  if (type === 'ended') {
    // A drift is repaired when it is told; that it does not come back is no news.
    if (was === undefined || was.kind === 'drift') return [];
    const code = endOf?.(was);
    const facts = { ended: was.kind, ...placeOf(was), ...(code !== undefined && { code }) };
    return [{ ...head(key, type, was.since, now), kind: 'recovered', ...facts }];
  }
  if (current === undefined) return [];
  const { kind, code, reason, notAfter, attempts, nextAttempt, since = now } = current;
  return [
    {
      ...head(key, type, was?.since ?? since, now),
      ...{ kind, code: word(code), ...placeOf(current) },
      ...(reason !== undefined && { reason: reasonText(reason) }),
      ...(notAfter !== undefined && { notAfter: notAfter.toISOString() }),
      ...(attempts !== undefined && { attempts }),
      ...(nextAttempt !== undefined && { nextAttempt: nextAttempt.toISOString() }),
    },
  ];
}

/** What flaps begins more than once, and each time is a change of its own. */
function head(key: string, type: string, since: Date, now: Date) {
  const id = idOf('condition', key, type, now.toISOString());
  return { id, at: now.toISOString(), since: since.toISOString(), conditions: [key.slice(0, 1000)] };
}

function placeOf({ certificate, fleet, host }: Pick<StandingLevel, 'certificate' | 'fleet' | 'host'>) {
  return {
    ...(certificate !== undefined && { certificate: word(certificate) }),
    ...(fleet !== undefined && { fleets: [word(fleet)] }),
    ...(host !== undefined && { host: word(host) }),
  };
}

function word(text: string): string {
  return printable(text).slice(0, MAX_NAME);
}

/** A link in it stays whole. */
function reasonText(text: string): string {
  return shortened(printable(text), MAX_REASON).slice(0, longestShortened(MAX_REASON));
}

export function idOf(...parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
