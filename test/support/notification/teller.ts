/** A series of passes that tell, over one bucket: what each knows is said by the test, what is sent is kept. */
import { fleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { NOTICE_KINDS } from '../../../lambda/config/notify/channel.ts';
import { notify } from '../../../lambda/config/notify/notify.ts';
import type { Level } from '../../../lambda/figures/levels.ts';
import { type ProblemFacts, problemsOf } from '../../../lambda/figures/problems.ts';
import type { NoticeChannel } from '../../../lambda/notification/deliver.ts';
import type { Notice } from '../../../lambda/notification/notice.ts';
import { notifyChanges } from '../../../lambda/notification/notify-changes.ts';
import { wordsOf } from '../../../lambda/notification/text.ts';
import type { PassResult } from '../../../lambda/outcome.ts';
import { memoryBucket } from '../bucket/memory-bucket.ts';
import { noon } from '../clock.ts';
import { recordEvents } from '../issuer/events.ts';
import { certificatesOf } from '../manifest.ts';

export interface TellerOptions {
  bucket?: Bucket;
  digest?: string;
  /** By name; default: one that takes all. */
  channels?: Record<string, object>;
  /** Of the named channel; default: it takes the notice. */
  send?: (channel: string, notice: Notice) => Promise<string>;
}

export interface PassKnowledge extends Partial<ProblemFacts> {
  now?: Date;
  /** By fleet and name. */
  published?: ProblemFacts['published'];
  entries?: Record<string, Record<string, object>>;
  tombstones?: Record<string, Record<string, object>>;
  incomplete?: Iterable<Level> | undefined;
  configured?: readonly string[];
}

export const NOTHING: ProblemFacts = {
  ...{ outcomes: [], failing: [], missing: [], published: [], unconfigured: [] },
  ...{ fleets: [], failedCalls: [], now: noon },
};

export function makeTeller(options: TellerOptions = {}) {
  const { bucket = memoryBucket(), digest = 'off', channels = { all: { eventbridge: 'default' } } } = options;
  const settings = notify.parse({ digest, channels });
  const sent: Notice[] = [];
  const events = recordEvents();
  const opened = Object.keys(channels).map((name): [string, NoticeChannel] => {
    const send = async (notice: Notice) => {
      const said = (await options.send?.(name, notice)) ?? 'taken';
      sent.push(notice);
      return said;
    };
    return [name, { timeoutSeconds: 1, send }];
  });
  const pass = async (known: PassKnowledge = {}): Promise<Notice[]> => {
    const { entries = {}, tombstones = {}, incomplete = [], configured = [], ...given } = known;
    const before = sent.length;
    const facts = { ...NOTHING, ...given };
    await notifyChanges(
      {
        ...{ bucket, settings, log: events.log, now: facts.now, wakeMinutes: 30, withinMs: 1000 },
        channels: new Map(opened),
      },
      {
        ...{ facts, problems: problemsOf(facts), incomplete: new Set(incomplete) },
        ...{ manifests: manifestsOf(entries, tombstones), configured: new Set(configured) },
      },
    );
    return sent.slice(before);
  };
  return { pass, sent, events, bucket, settings };
}

/** `renewed 1: pemfleet: renewed a.test` */
export const linesOf = (notices: readonly Notice[]) =>
  notices.map((notice) => `${notice.kind} ${notice.count}: ${wordsOf(notice).subject}`);

export const countsOf = (notices: readonly Notice[]): Record<string, number> =>
  Object.fromEntries(
    NOTICE_KINDS.flatMap((kind) => {
      const count = notices.filter((one) => one.kind === kind).length;
      return count === 0 ? [] : [[kind, count]];
    }),
  );

export function entryOf(serial: string, publishedAt = noon, more: object = {}): ManifestEntry {
  return {
    publishedAt: publishedAt.toISOString(),
    identifiers: ['www.example.com', 'example.com'],
    issued: { directoryUrl: 'https://ca.test/directory', accountUrl: 'https://ca.test/account/1' },
    pems: [{ serial, notAfter: new Date(publishedAt.getTime() + 90 * 86_400_000).toISOString() }],
    ...more,
  } as unknown as ManifestEntry;
}

function manifestsOf(
  entries: Record<string, Record<string, object>>,
  tombstones: Record<string, Record<string, object>>,
): PassResult['manifests'] {
  const fleets = [...new Set([...Object.keys(entries), ...Object.keys(tombstones)])];
  return new Map(
    fleets.map((fleet) => {
      const manifest = {
        ...{ version: 2, fleet: fleetName.parse(fleet), updatedAt: noon.toISOString() },
        certificates: certificatesOf(entries[fleet] ?? {}),
        tombstones: tombstones[fleet] ?? {},
      } as const;
      return [fleetName.parse(fleet), { manifest: manifest as never, etag: '"m"' }];
    }),
  );
}
