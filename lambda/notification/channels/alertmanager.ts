/**
 * Alerts for Prometheus Alertmanager, API v2 (`POST /api/v2/alerts`): a level each, by its condition. One that stands is sent again with the
 * weekly digest, before it would end by itself; one that is over is sent with its end. Pure.
 */
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import type { Notice, NoticeChange } from '../notice.ts';
import { changeText, type NoticeText } from '../text.ts';

export interface Alert {
  labels: Record<string, string>;
  annotations: Record<string, string>;
  startsAt: string;
  endsAt: string;
}

/** Longer than a week: the digest comes before. A drift is repaired, and its alert ends by itself. */
const [STANDS_MS, DRIFT_MS, TEST_MS] = [8 * DAY_MS, DAY_MS, 5 * MINUTE_MS];

export function alertsOf(notice: Notice, { subject }: NoticeText): Alert[] {
  const { changes, count, standing, at, kind } = notice;
  const alerts = changes.flatMap((change) => alertsOfChange(change, notice));
  const ended = new Set(changes.flatMap(({ ended: one }) => one ?? []));
  // Beyond the first of many there is one alert for the rest, until none of the kind stands.
  const isMany = count > changes.length && kind !== 'recovered' && kind !== 'renewed' && kind !== 'digest';
  const many = isMany ? [manyAlert(kind, notice, subject, STANDS_MS)] : [];
  const over = [...ended].filter((one) => (standing[one] ?? 0) === 0);
  return [...alerts, ...many, ...over.map((one) => manyAlert(one, { ...notice, at }, subject, 0))];
}

function alertsOfChange(change: NoticeChange, { bucket, at, id }: Notice): Alert[] {
  const { conditions = [], kind, since = at } = change;
  const isOver = kind === 'recovered' || kind === 'renewed' || kind === 'withdrawn';
  const isTest = id.startsWith('test-');
  const standsMs = isTest ? TEST_MS : kind === 'drift' ? DRIFT_MS : STANDS_MS;
  const endsAt = isOver ? at : new Date(Date.parse(at) + standsMs).toISOString();
  // Alertmanager refuses what ends before it begins.
  const startsAt = since < endsAt ? since : new Date(Date.parse(endsAt) - 1).toISOString();
  return conditions.map((condition) => ({
    labels: labelsOf(condition, bucket),
    annotations: { summary: changeText(change) },
    ...{ startsAt, endsAt },
  }));
}

function manyAlert(kind: string, { bucket, at }: Notice, summary: string, standsMs: number): Alert {
  const endsAt = new Date(Date.parse(at) + standsMs).toISOString();
  const startsAt = new Date(Date.parse(at) - 1).toISOString();
  return { labels: labelsOf(`${kind} (many)`, bucket), annotations: { summary }, startsAt, endsAt };
}

/** From the condition alone, so that its end has the labels of its beginning. */
function labelsOf(condition: string, bucket: string): Record<string, string> {
  const [kind = '', subject = '', certificate] = condition.split(' ');
  const alertname = `Pemfleet${kind.charAt(0).toUpperCase()}${kind.slice(1)}`;
  const base = { alertname, service: 'pemfleet', bucket, condition };
  if (subject === '(many)') return base;
  const [fleet = '', own = ''] = subject.split('/');
  if (kind === 'failing') return { ...base, certificate: subject };
  if (kind === 'expiring') return { ...base, fleet, certificate: own };
  return { ...base, fleet, ...(own && { host: own }), ...(certificate && { certificate }) };
}
