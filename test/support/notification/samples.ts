/** One notice of each kind, as passes come to them: docs/notifications.md shows how they read. */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '#common/time.ts';
import type { HostSummary } from '../../../lambda/fleet/summary.ts';
import type { Notice } from '../../../lambda/notification/notice.ts';
import { interposed } from '../bucket/interposed.ts';
import { memoryBucket } from '../bucket/memory-bucket.ts';
import { after, noon } from '../clock.ts';
import { entryOf, makeTeller } from './teller.ts';

const NAME = 'www.example.com';
const [OLD, NEW] = ['04C3D1A2', '05E88F17'];
const configured = [NAME];

const hosts = (now: Date, changes: Partial<HostSummary> = {}) => {
  const summary = { etag: '"s"', reportedAt: now, manifest: '"m"', states: { served: 1 } };
  const manifest = { etag: '"m"', updatedAt: after(noon, -DAY_MS) };
  return [{ fleet: 'edge', summaries: { lb1: summary, lb2: { ...summary, ...changes } }, manifest }];
};

const failure = (...names: string[]) =>
  names.map((certificate) => ({
    ...{ certificate, code: 'ERR_AUTHORIZATION', since: after(noon, -3 * HOUR_MS), attempts: 3 },
    message: `${certificate}: DNS problem: NXDOMAIN looking up A for ${certificate}`,
    nextAttempt: after(noon, 100 * MINUTE_MS),
  }));

const pem = (days: number) => ({
  ...{ fleet: 'edge', certificate: NAME, notAfter: after(noon, days * DAY_MS) },
  notBefore: after(noon, (days - 90) * DAY_MS),
});

/** Passes of their own for each, because each begins with what is well. */
const TALES: Readonly<Record<string, (teller: ReturnType<typeof makeTeller>) => Promise<Notice[]>>> = {
  renewed: ({ pass }) => pass({ entries: entries(NEW) }),
  failing: ({ pass }) =>
    pass({ failing: failure(NAME), published: [pem(29)], entries: entries(OLD), configured }),
  'many that fail': ({ pass }) =>
    pass({ failing: failure(...Array.from({ length: 22 }, (_, index) => `shop-${index}.example.com`)) }),
  expiring: ({ pass }) => {
    const unconfigured = [
      {
        fleet: 'edge',
        certificate: 'old.example.com',
        result: 'kept',
        notAfter: after(noon, 13 * DAY_MS).toISOString(),
      },
    ] as const;
    return pass({ unconfigured, fleets: hosts(noon) });
  },
  behind: ({ pass }) =>
    pass({ fleets: hosts(noon, { error: 'ERR_CERTS_DIRECTORY', faultSince: after(noon, -2 * HOUR_MS) }) }),
  silent: ({ pass }) => pass({ fleets: hosts(noon, { reportedAt: after(noon, -4 * HOUR_MS) }) }),
  drift: ({ pass }) => {
    const first = after(noon, -10 * MINUTE_MS);
    const drift = [{ certificate: NAME, kind: 'file-edited', days: 1, first, at: first }];
    return pass({ fleets: hosts(noon, { drift }) });
  },
  withdrawn: ({ pass }) => {
    const tombstones = { edge: { [NAME]: { reason: 'withdrawn', at: noon.toISOString(), pems: [] } } };
    return pass({ entries: { edge: {} }, tombstones });
  },
  recovered: async ({ pass }) => {
    await pass({ failing: failure(NAME), entries: entries(OLD), configured });
    const now = after(noon, 2 * HOUR_MS);
    return pass({ entries: entries(NEW, now), now, configured });
  },
  digest: async ({ pass }) => {
    const now = after(noon, 19 * HOUR_MS);
    const known = { failing: failure(NAME), published: [pem(29)], entries: entries(OLD), configured };
    await pass({ ...known, fleets: hosts(noon) });
    return pass({ ...known, fleets: hosts(now), now });
  },
};

const entries = (serial: string, at = after(noon, -61 * DAY_MS)) => ({
  edge: { [NAME]: entryOf(serial, serial === NEW && at < noon ? noon : at) },
});

export async function sampleNotices(): Promise<[name: string, notice: Notice][]> {
  const all: [string, Notice][] = [];
  for (const [name, tale] of Object.entries(TALES)) {
    const bucket = interposed(memoryBucket(), { url: 's3://example-certificates' });
    const teller = makeTeller({ bucket, digest: name === 'digest' ? 'monday' : 'off' });
    await teller.pass({ entries: entries(OLD), fleets: name === 'digest' ? hosts(noon) : [] });
    const [notice] = await tale(teller);
    if (notice === undefined) throw new Error(`no notice for ${name}`);
    all.push([name, notice]);
  }
  return all;
}
