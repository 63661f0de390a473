// A row for each of the reasons for which a kept copy of a replaced key goes, and for those that are none.
import assert from 'node:assert/strict';
import fs, { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { emptyManifest, type Manifest, type Tombstone } from '#contract/manifest.ts';
import type { HostView } from '../../../../agent/agent.ts';
import type { EventName, LogFields } from '../../../../agent/log.ts';
import { dropOldCopies, reasonToDelete, stolenAt } from '../../../../agent/removal/old-copies.ts';
import { newMemory, type ProcessMemory } from '../../../../agent/state/memory.ts';
import { fleet } from '../../../support/agent/host.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const keptAt = new Date('2026-11-27T10:00:00Z');
const later = (days: number) => new Date(keptAt.getTime() + days * DAY_MS);
const noMoreThan = { reason: 'revoked', pems: [] };

interface Row {
  says: string;
  days: number;
  /** When the manifest was signed; default: now. */
  signed?: number;
  manifest?: Partial<Manifest>;
  tombstone?: Partial<Tombstone>;
  /** Of the certificate in it, in days. */
  notAfter?: number;
  reason: string | undefined;
}

const rows: Row[] = [
  { says: 'a day before its end', days: 29, reason: undefined },
  { says: 'at its end', days: 30, reason: 'kept for 30 days' },
  { says: 'its certificate ends tomorrow', days: 2, notAfter: 3, reason: undefined },
  { says: 'its certificate has ended', days: 2, notAfter: 2, reason: 'its certificate has expired' },
  {
    says: 'its certificate has ended, by this clock alone',
    days: 2,
    signed: 1,
    notAfter: 2,
    reason: undefined,
  },
  {
    says: 'kept for as long as the issuer says',
    days: 30,
    manifest: { keyRetentionDays: 60 },
    reason: undefined,
  },
  {
    says: 'no longer than the issuer says',
    days: 2,
    manifest: { keyRetentionDays: 2 },
    reason: 'kept for 2 days',
  },
  {
    says: 'the issuer does not say how long (an earlier one)',
    days: 400,
    manifest: { keyRetentionDays: undefined },
    reason: undefined,
  },
  {
    says: 'somebody has its key, and the issuer does not say how long others are kept',
    days: 1,
    manifest: { keyRetentionDays: undefined },
    tombstone: { at: later(0.5).toISOString(), stolenAt: later(0.5).toISOString() },
    reason: 'its key is stolen',
  },
  {
    says: 'this clock is ahead: the issuer has signed nothing so late',
    days: 31,
    signed: 1,
    reason: undefined,
  },
  { says: 'this clock is behind', days: 1, signed: 31, reason: undefined },
  {
    says: 'somebody has its key',
    days: 1,
    tombstone: { at: later(0.5).toISOString(), stolenAt: later(0.5).toISOString() },
    reason: 'its key is stolen',
  },
  {
    says: 'kept after that word: another key may be in it',
    days: 1,
    tombstone: { at: later(-1).toISOString(), stolenAt: later(-1).toISOString() },
    reason: undefined,
  },
  {
    says: 'kept after that word, and before a later one that says nothing of its key',
    days: 1,
    tombstone: { at: later(0.5).toISOString(), stolenAt: later(-1).toISOString() },
    reason: undefined,
  },
  {
    says: 'somebody has its key, and a later word says nothing of it',
    days: 1,
    tombstone: { at: later(0.9).toISOString(), stolenAt: later(0.5).toISOString() },
    reason: 'its key is stolen',
  },
  {
    says: 'revoked, and nobody has stolen it',
    days: 1,
    tombstone: { at: later(0.5).toISOString() },
    reason: undefined,
  },
];

const signedOn = (day: number, changes: Partial<Manifest> = {}): Manifest => ({
  ...emptyManifest(fleet, keptAt),
  version: 2,
  signedAt: later(day).toISOString(),
  keyRetentionDays: 30,
  ...changes,
});

for (const { says, days, signed = days, manifest: changes, tombstone, notAfter: ends, reason } of rows) {
  test(`a copy of shop.pem: ${says}`, () => {
    const tombstones = tombstone && { shop: { at: '', ...noMoreThan, ...tombstone } };
    const manifest = signedOn(signed, {
      ...changes,
      ...(tombstones && ({ tombstones } as Partial<Manifest>)),
    });
    const facts = { manifest, stolen: stolenAt(manifest), now: later(days) };
    const notAfter = ends === undefined ? undefined : later(ends);

    assert.equal(reasonToDelete({ file: 'shop.pem', keptAt, notAfter }, facts), reason);
    if (tombstone) assert.equal(reasonToDelete({ file: 'other.pem', keptAt, notAfter }, facts), undefined);
  });
}

test('both files of a pair are those of the certificate', () => {
  const manifest = signedOn(0, {
    tombstones: {
      shop: { ...noMoreThan, at: 'later', stolenAt: 'then' },
    } as unknown as Manifest['tombstones'] & {},
  });
  assert.deepEqual(Object.fromEntries(stolenAt(manifest)), {
    'shop.pem': 'then',
    'shop.pem.rsa': 'then',
    'shop.pem.ecdsa': 'then',
  });
});

const copyOf = (file: string, kept = 'ab'.repeat(6)) => `.${file}.pemfleet-replaced-${kept}`;

/** A directory with copies that were kept just now, 31 days later. */
async function drop(
  certsDir: string,
  changes: { isDown?: boolean; manifest?: Manifest; memory?: ProcessMemory } = {},
) {
  const events: [EventName, LogFields | undefined][] = [];
  const in31Days = new Date(Date.now() + 31 * DAY_MS);
  const view = {
    config: { haproxy: { certsDir } },
    haproxy: changes.isDown
      ? undefined
      : { strangers: new Map([[`/etc/haproxy/${copyOf('loaded.pem')}`, []]]) },
    ownership: { otherOwnerOf: (file: string) => (file === 'theirs.pem' ? 'web' : undefined) },
    now: () => in31Days,
    log: (event: EventName, fields?: LogFields) => void events.push([event, fields]),
  } as unknown as HostView;
  const { manifest = { ...signedOn(0), signedAt: in31Days.toISOString() }, memory = newMemory() } = changes;
  const records = {
    get: (file: string) => (file === 'adopted.pem' ? { adopted: 'ab'.repeat(32) } : undefined),
  };
  await dropOldCopies(view, manifest, records as never, memory);
  return events;
}

test('what is loaded, adopted and not proved, of another agent, or no copy of ours stays; the rest goes', async (t) => {
  const certsDir = tempDir(t);
  const stay = [
    ...['adopted.pem', 'loaded.pem', 'theirs.pem'].map((file) => copyOf(file)),
    ...['.shop.pem.pemfleet-previous', '.shop.pem.pemfleet-replaced-by-hand', 'shop.pem'],
  ];
  const go = [copyOf('shop.pem'), copyOf('shop.pem', 'unread-1234'), copyOf('gone.pem.ecdsa')];
  for (const name of [...stay, ...go]) writeFileSync(join(certsDir, name), 'x');
  symlinkSync('shop.pem', join(certsDir, copyOf('link.pem')));
  mkdirSync(join(certsDir, copyOf('folder.pem')));
  const others = [copyOf('folder.pem'), copyOf('link.pem')];
  const all = readdirSync(certsDir);

  assert.deepEqual(await drop(certsDir, { isDown: true }), [], 'HAProxy does not say what it has loaded');
  assert.deepEqual(readdirSync(certsDir), all);
  const version1 = emptyManifest(fleet, new Date(Date.now() + 32 * DAY_MS));
  assert.deepEqual(await drop(certsDir, { manifest: version1 }), [], 'the issuer does not say how long');
  assert.deepEqual(readdirSync(certsDir), all);

  const events = await drop(certsDir);

  assert.deepEqual(readdirSync(certsDir).sort(), [...stay, ...others].sort());
  assert.deepEqual(
    events.map(([event, fields]) => [event, fields?.['kept'], fields?.reason]).sort(),
    go.map((kept) => ['copy.deleted', kept, 'kept for 30 days']).sort(),
  );
});

/** Of copies, as often as they are opened from now on. @param fails what the disk says */
function openedCopies(t: TestContext, fails?: string): string[] {
  const opened: string[] = [];
  const { openSync } = fs;
  const { mock } = t.mock.method(fs, 'openSync', (...args: Parameters<typeof openSync>) => {
    if (!String(args[0]).includes('.pemfleet-replaced-')) return openSync(...args);
    opened.push(String(args[0]));
    if (fails === undefined) return openSync(...args);
    throw Object.assign(new Error(`${fails}: open`), { code: fails, syscall: 'open' });
  });
  syncBuiltinESMExports();
  t.after(() => {
    mock.restore();
    syncBuiltinESMExports();
  });
  return opened;
}

test('a copy is read once, and not in each pass', async (t) => {
  const certsDir = tempDir(t);
  const keepsLonger = { ...signedOn(400), keyRetentionDays: 365 };
  writeFileSync(join(certsDir, copyOf('shop.pem')), 'x');
  const opened = openedCopies(t);

  const memory = newMemory();
  for (const _ of [1, 2, 3]) await drop(certsDir, { manifest: keepsLonger, memory });
  assert.equal(opened.length, 1);

  writeFileSync(join(certsDir, copyOf('new.pem')), 'x');
  await drop(certsDir, { manifest: keepsLonger, memory });
  assert.equal(opened.length, 2, 'and one that has come since');
});

test('two HAProxy on a host: the pass of one does not forget what that of the other has read', async (t) => {
  const manifest = { ...signedOn(400), keyRetentionDays: 365 };
  const [directories, memory] = [[tempDir(t), tempDir(t)], newMemory()];
  for (const directory of directories) writeFileSync(join(directory, copyOf('shop.pem')), 'x');
  const opened = openedCopies(t);

  for (const directory of [...directories, ...directories]) await drop(directory, { manifest, memory });

  assert.equal(opened.length, 2);
});

test('a copy that the disk cannot give holds up no pass: its end is not known', async (t) => {
  const certsDir = tempDir(t);
  writeFileSync(join(certsDir, copyOf('shop.pem')), 'x');
  openedCopies(t, 'EIO');

  const events = await drop(certsDir);

  assert.deepEqual(
    events.map(([event, fields]) => [event, fields?.reason]),
    [['copy.deleted', 'kept for 30 days']],
  );
});
