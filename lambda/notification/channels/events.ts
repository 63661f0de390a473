/** Notices as events of a bus: one for each change, or one for many. Pure. */
import { DAY_MS } from '#common/time.ts';
import type { Notice, NoticeChange } from '../notice.ts';
import { changeText } from '../text.ts';

export interface BusEvent {
  Source: string;
  DetailType: string;
  Time: number;
  Resources: string[];
  detail: Record<string, unknown>;
}

/** Rules match on them. ACM says "ACM Certificate Approaching Expiration", and so do we. */
const DETAIL_TYPES: Readonly<Record<Notice['kind'], string>> = {
  renewed: 'pemfleet Certificate Renewed',
  failing: 'pemfleet Certificate Failing',
  expiring: 'pemfleet Certificate Approaching Expiration',
  behind: 'pemfleet Host Behind',
  silent: 'pemfleet Host Silent',
  drift: 'pemfleet Host Drift',
  withdrawn: 'pemfleet Certificate Withdrawn',
  recovered: 'pemfleet Recovered',
  digest: 'pemfleet Weekly Digest',
};

/** EventBridge API Reference, "PutEvents": ten at once. More are one event. */
const MAX_EVENTS = 10;
/** All entries of a request have 256 KiB. */
const MAX_REASON = 1000;

export function eventsOf(notice: Notice): BusEvent[] {
  const { kind, changes, count, id, standing, digest } = notice;
  if (kind !== 'digest' && count <= MAX_EVENTS) return changes.map((change) => eventOf(change, notice));
  const [first] = changes;
  const details = changes.map((change) => detailOf(change));
  const detail = { Id: id, Kind: kind, Count: count, Standing: standing, Changes: details };
  return [
    frame(kind === 'digest' ? DETAIL_TYPES.digest : typeOf(first), notice, { ...detail, Digest: digest }),
  ];
}

function eventOf(change: NoticeChange, notice: Notice): BusEvent {
  return frame(typeOf(change), notice, { Count: 1, ...detailOf(change) });
}

function typeOf(change: NoticeChange | undefined): string {
  if (change?.code === 'expired') return 'pemfleet Certificate Expired';
  return DETAIL_TYPES[change?.kind ?? 'digest'];
}

function frame(DetailType: string, { at, bucket }: Notice, detail: Record<string, unknown>): BusEvent {
  const Time = Math.floor(Date.parse(at) / 1000);
  const [, name] = /^s3:\/\/([^?]+)/.exec(bucket) ?? [];
  const Resources = name === undefined ? [] : [`arn:aws:s3:::${name}`];
  return {
    Source: 'pemfleet',
    DetailType,
    Time,
    Resources,
    detail: { Version: 1, Bucket: bucket, ...detail },
  };
}

/** Names as ACM has them, where it has them. */
function detailOf(change: NoticeChange): Record<string, unknown> {
  const { id, kind, certificate, fleets, host, action, code, reason, since, at } = change;
  const { serial, previousSerial, notAfter, identifiers, attempts, nextAttempt, ended } = change;
  const days = notAfter === undefined ? undefined : (Date.parse(notAfter) - Date.parse(at)) / DAY_MS;
  return {
    ...{ Id: id, Kind: kind, CertificateName: certificate, CommonName: identifiers?.[0] },
    ...{ SubjectAlternativeNames: identifiers, Fleets: fleets, Host: host, Action: action?.toUpperCase() },
    ...{ Code: code, Reason: reason?.slice(0, MAX_REASON), Since: since, Ended: ended },
    ...{ SerialNumber: serial, PreviousSerialNumber: previousSerial, CertificateExpirationDate: notAfter },
    DaysToExpiry: days === undefined ? undefined : Math.floor(days),
    ...{ Attempts: attempts, NextAttempt: nextAttempt, Text: changeText(change) },
  };
}
