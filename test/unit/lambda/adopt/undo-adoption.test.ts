// What `adopt --undo` gives back, what not, and that a kill at any step of either leaves nothing that it does not find.
import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { HOUR_MS } from '#common/time.ts';
import { digest } from '#contract/combined-pem.ts';
import { certificateName, fleetName } from '#contract/layout.ts';
import type { Tombstone } from '#contract/manifest.ts';
import { DirectoryBucket } from '#storage/directory.ts';
import { endedSince } from '../../../../lambda/adopt/apply/ended-since.ts';
import { pathsBelow } from '../../../../lambda/adopt/apply/entries.ts';
import { keepPems, recordedPems, takeFiles } from '../../../../lambda/adopt/apply/take-files.ts';
import { undoAdoption } from '../../../../lambda/adopt/apply/undo-adoption.ts';
import { isUsedSince } from '../../../../lambda/adopt/apply/used-since.ts';
import { takeBack } from '../../../../lambda/commands/adopt/undo.ts';
import { putRun } from '../../../../lambda/init/apply/put.ts';
import { markDone, type RecordedAdoption, readRecord } from '../../../../lambda/init/apply/record.ts';
import { IssuerMemory } from '../../../../lambda/publication/ended.ts';
import { createPki, type IssuedLeaf, type Pki } from '../../../support/parts/pki.ts';
import { tempDir } from '../../../support/temp-dir.ts';

let pki: Pki;
let [www, renewal]: IssuedLeaf[] = [];
before(async () => {
  pki = await createPki();
  [www, renewal] = [await pki.issue({ names: ['www.test'] }), await pki.issue({ names: ['www.test'] })];
});

const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
/** As a hook leaves it: the key first. */
const oldText = () => `${www?.keyPem}\n${www?.leafPem}${www?.chainPem.join('')}`;

interface Host {
  home: string;
  file: string;
  directory: string;
  adopt: () => Promise<void>;
}

/** One file that HAProxy loads, in a directory of its own, or beside others: then it becomes a link. */
function hostIn(t: TestContext, isLinked = false): Host {
  const home = tempDir(t);
  const certs = join(home, 'haproxy/certs');
  mkdirSync(certs, { recursive: true });
  const [file, directory] = [join(certs, 'www.pem'), join(home, 'etc/pemfleet/init')];
  writeFileSync(file, oldText(), { mode: 0o640 });
  const certsDir = isLinked ? join(home, 'haproxy/pemfleet') : certs;
  const pem = { text: www?.combined ?? '', leaf: new X509Certificate(www?.leafPem ?? ''), keyType: 'ec' };
  const certificates = [{ name: certificateName.parse('www'), files: [{ file, pem }] }];
  const places = { certsDir, linkedFrom: isLinked ? certs : undefined };
  const request = { certificates, places, owner, readerGid: undefined } as unknown as Parameters<
    typeof takeFiles
  >[0];
  const adopt = async () => {
    const pems = await recordedPems(request);
    const only = isLinked ? {} : { only: '.pemfleet' };
    const tree = { path: certsDir, entries: pathsBelow(certsDir), isNew: false, ...only };
    const adoption = { bucket: '', pems, attributes: [], trees: [tree], units: [] };
    const settings = { path: join(home, 'etc/pemfleet/pemfleet.yaml'), body: Buffer.from('bucket: x\n') };
    await putRun({
      ...{ directory, now: new Date(), haproxy: undefined, adoption, dropIns: [] },
      files: [{ ...settings, mode: 0o644, ...owner }],
      directories: isLinked ? [{ path: certsDir, mode: 0o700, ...owner }] : [],
    });
    await keepPems(pems, request);
    await takeFiles(request);
    await markDone(directory);
  };
  return { home, file, directory, adopt };
}

function treeOf(home: string): string[] {
  return pathsBelow(home)
    .sort()
    .map((name) => {
      const path = join(home, name);
      const stats = lstatSync(path);
      const content = stats.isSymbolicLink()
        ? readlinkSync(path)
        : stats.isFile()
          ? createHash('sha256').update(readFileSync(path)).digest('hex')
          : '';
      return `${name} ${stats.mode.toString(8)} ${content}`;
    });
}

const STEPS = ['rename', 'mkdir', 'chown', 'chmod', 'symlink', 'rm', 'rmdir', 'unlink'] as const;

/** Dies before the step of that number: it never comes back. @returns false: the work has ended before */
async function killedAt(t: TestContext, number: number, work: () => Promise<unknown>): Promise<boolean> {
  let count = 0;
  let die: (isKilled: true) => void = () => undefined;
  const death = new Promise<true>((resolve) => {
    die = resolve;
  });
  const mocks = STEPS.map((step) => {
    const original = fs[step] as unknown as (...args: unknown[]) => Promise<unknown>;
    return t.mock.method(fs as unknown as Record<string, typeof original>, step, (...args: unknown[]) => {
      count += 1;
      if (count < number) return original(...args);
      die(true);
      return new Promise(() => undefined);
    });
  });
  syncBuiltinESMExports();
  try {
    return await Promise.race([work().then(() => false), death]);
  } finally {
    for (const { mock } of mocks) mock.restore();
    syncBuiltinESMExports();
  }
}

/** Private keys outside of the file that HAProxy loads, and of what the record names. */
async function strayKeys({ home, directory, file }: Host): Promise<string[]> {
  const { runs } = await readRecord(directory);
  const named = runs
    .flatMap(({ adoption }) => adoption?.pems ?? [])
    .flatMap(({ before }) => before?.copy ?? []);
  return pathsBelow(home)
    .map((name) => join(home, name))
    .filter((path) => lstatSync(path).isFile() && !named.includes(path) && path !== file)
    .filter((path) => !/pemfleet\/www\.pem$|\.pemfleet-tmp$/.test(path))
    .filter((path) => readFileSync(path, 'utf8').includes('PRIVATE KEY'));
}

/** The folder of a record that was not begun yet, or is gone already, is all that nobody knows of. */
function removeEmpty({ home, directory }: Host): void {
  for (const path of [directory, join(home, 'etc/pemfleet'), join(home, 'etc')]) {
    if (existsSync(path)) rmdirSync(path);
  }
}

for (const isLinked of [false, true]) {
  const what = isLinked ? 'a link to a directory of its own' : 'a directory of certificates';
  test(`killed at each step of adopt, then at each step of --undo (${what}): no key that no record names, and the tree is as it was`, async (t) => {
    let steps = 0;
    for (let isKilled = true; isKilled; ) {
      steps += 1;
      const host = hostIn(t, isLinked);
      const old = treeOf(host.home);
      isKilled = await killedAt(t, steps, host.adopt);
      assert.deepEqual(await strayKeys(host), [], `step ${steps}`);
      await takeBack(host.directory);
      if (isKilled) removeEmpty(host);
      assert.deepEqual(treeOf(host.home), old, `step ${steps}`);
    }
    assert.ok(steps > 10, `${steps} steps`);
    let undoSteps = 0;
    for (let isKilled = true; isKilled; ) {
      undoSteps += 1;
      const host = hostIn(t, isLinked);
      const old = treeOf(host.home);
      await host.adopt();
      isKilled = await killedAt(t, undoSteps, () => takeBack(host.directory));
      await takeBack(host.directory);
      if (isKilled) removeEmpty(host);
      assert.deepEqual(treeOf(host.home), old, `undo, step ${undoSteps}`);
    }
    assert.ok(undoSteps > 6, `${undoSteps} steps`);
  });
}

const START = new Date('2026-11-28T10:00:00Z');
const at = (hours: number) => new Date(START.getTime() + hours * HOUR_MS).toISOString();
const other = 'cd'.repeat(32);

interface Row {
  says: string;
  name?: string;
  tombstone: Partial<Tombstone>;
  /** undefined: it is given back. */
  why: RegExp | undefined;
}

const rows: Row[] = [
  { says: 'withdrawn', tombstone: { reason: 'withdrawn' }, why: /its certificate was withdrawn at 2026/ },
  { says: 'revoked', tombstone: { reason: 'revoked' }, why: /its certificate was revoked at 2026/ },
  { says: 'a word that this version does not know', tombstone: { reason: 'banned' }, why: /was banned/ },
  { says: 'superseded: nothing is wrong with it', tombstone: { reason: 'superseded' }, why: undefined },
  {
    says: 'another PEM of the name was revoked',
    tombstone: { reason: 'revoked', pems: [{ sha256: other, notAfter: at(900) }] },
    why: undefined,
  },
  {
    says: 'somebody has the keys of the name, whichever PEM was meant (reuseKey)',
    tombstone: { reason: 'revoked', stolenAt: at(1), pems: [{ sha256: other, notAfter: at(900) }] },
    why: /its key is stolen, as was said at 2026/,
  },
  {
    says: 'somebody had the keys of the name before: another one was adopted',
    tombstone: { reason: 'revoked', stolenAt: at(-1), pems: [{ sha256: other, notAfter: at(900) }] },
    why: undefined,
  },
  { says: 'another certificate was withdrawn', name: 'shop', tombstone: {}, why: undefined },
];

for (const { says, name = 'www', tombstone, why } of rows) {
  test(`given back or not: ${says}`, async (t) => {
    const bucket = await DirectoryBucket.open(tempDir(t));
    const published = digest(www?.combined ?? '');
    const pems = [{ sha256: published, notAfter: at(900) }];
    const word = { reason: 'withdrawn', at: at(1), pems, ...tombstone };
    const memory = new IssuerMemory(bucket);
    await memory.keep(fleetName.parse('edge'), { tombstones: { [name]: word } }, START);
    const pem = { path: '/x/www.pem', name: 'www', published };
    const adoption = { pems: [pem] } as unknown as RecordedAdoption;

    const ended = await endedSince(bucket, [{ at: at(0), adoption }]);

    assert.deepEqual([...ended.keys()], why === undefined ? [] : ['/x/www.pem']);
    if (why !== undefined) assert.match(ended.get('/x/www.pem') ?? '', why);
  });
}

test('a record of tombstones that cannot be read: nobody knows, and nothing is said', async (t) => {
  const bucket = await DirectoryBucket.open(tempDir(t));
  await bucket.put('issuer/tombstones/default.json', '{');
  await assert.rejects(endedSince(bucket, [{ at: at(0), adoption: undefined }]), /no record of tombstones/);
});

test('a bucket that says nothing at all, though adopt has published: nobody knows; of a run that was killed before, nothing is ended', async (t) => {
  const host = hostIn(t);
  await host.adopt();
  const runs = (await readRecord(host.directory)).runs;
  const killed = runs.map((run) => ({
    ...run,
    adoption: run.adoption && { ...run.adoption, isDone: false },
  }));
  const empty = await DirectoryBucket.open(tempDir(t));

  await assert.rejects(endedSince(empty, runs), { code: 'ERR_TOMBSTONES' });
  assert.equal((await endedSince(empty, killed)).size, 0);
});

test('a bucket that holds more than adopt has put there stays: another certificate, the word of one that was withdrawn', async (t) => {
  const host = hostIn(t);
  await host.adopt();
  const runs = (await readRecord(host.directory)).runs;
  const own = runs[0]?.adoption?.pems[0]?.published;
  const bucketWith = async (key: string) => {
    const bucket = await DirectoryBucket.open(tempDir(t));
    await bucket.put(key, 'x');
    return bucket;
  };

  assert.equal(await isUsedSince(await bucketWith(`published/edge/pem/www/${own}.pem`), runs), false);
  assert.equal(await isUsedSince(await bucketWith(`published/edge/pem/www/${other}.pem`), runs), true);
  const bucket = await bucketWith(`published/edge/pem/www/${own}.pem`);
  const word = { reason: 'withdrawn' as const, at: at(1), pems: [{ sha256: other, notAfter: at(900) }] };
  await new IssuerMemory(bucket).keep(fleetName.parse('edge'), { tombstones: { new: word } }, START);
  assert.equal(await isUsedSince(bucket, runs), true);

  const tree = { path: join(host.home, 'bucket'), entries: [], isNew: false };
  mkdirSync(tree.path);
  writeFileSync(join(tree.path, 'audit'), '');
  writeFileSync(join(host.home, 'haproxy/certs/new.pem'), 'of the agent');
  const adoption = runs[0]?.adoption;
  assert.ok(adoption);
  const undone = await undoAdoption({ ...adoption, trees: [...adoption.trees, tree] }, { isUsed: true });
  assert.deepEqual([undone.kept, undone.left], [[tree.path], [join(host.home, 'haproxy/certs/new.pem')]]);
  assert.ok(existsSync(join(tree.path, 'audit')));
});

/** After adopt and what happens then. */
async function undoneAfter(
  t: TestContext,
  happens: (host: Host & { copy: string }) => void,
  { why, isLinked }: { why?: string; isLinked?: boolean } = {},
) {
  const host = hostIn(t, isLinked);
  await host.adopt();
  const [run] = (await readRecord(host.directory)).runs;
  const adoption = run?.adoption;
  assert.ok(adoption?.isDone);
  const copy = adoption.pems[0]?.before?.copy ?? '';
  assert.equal(readFileSync(copy, 'utf8'), oldText());
  happens({ ...host, copy });
  const undone = await undoAdoption(adoption, {
    ended: why === undefined ? undefined : new Map([[host.file, why]]),
  });
  assert.equal(existsSync(copy), false);
  const text = existsSync(host.file) ? readFileSync(host.file, 'utf8') : undefined;
  return { undone, text, stats: lstatSync(host.file, { throwIfNoEntry: false }), file: host.file };
}

test('what was withdrawn and taken off the host stays off it, its saved copy goes', async (t) => {
  for (const isLinked of [false, true]) {
    const take = ({ file, home }: Host) => rmSync(isLinked ? join(home, 'haproxy/pemfleet/www.pem') : file);
    const { undone, stats, file } = await undoneAfter(t, take, { why: 'stolen', isLinked });
    assert.deepEqual(undone.withheld, [{ file, why: 'stolen', isThere: false }]);
    assert.equal(stats, undefined);
  }
});

test('what was withdrawn and is still loaded stays as it is: HAProxy might not start without it', async (t) => {
  for (const isLinked of [false, true]) {
    const { undone, text, stats, file } = await undoneAfter(t, () => undefined, { why: 'stolen', isLinked });
    assert.deepEqual(undone.withheld, [{ file, why: 'stolen', isThere: true }]);
    assert.deepEqual([text, stats?.isFile(), stats && stats.mode & 0o777], [www?.combined, true, 0o640]);
  }
});

test('what was withdrawn, and stood behind a link: the file of the other program, which has the key still, is named', async (t) => {
  const { home, file, directory, adopt } = hostIn(t, true);
  const other = join(home, 'acme/www.pem');
  mkdirSync(join(home, 'acme'));
  renameSync(file, other);
  symlinkSync('../../acme/www.pem', file);
  await adopt();

  const [adoption] = (await readRecord(directory)).runs.flatMap((run) => run.adoption ?? []);
  assert.ok(adoption);
  const { withheld } = await undoAdoption(adoption, { ended: new Map([[file, 'stolen']]) });

  assert.deepEqual(withheld, [{ file, why: 'stolen', isThere: true, keyAt: other }]);
  assert.equal(readFileSync(other, 'utf8'), oldText());
});

test('a renewal is there: no word about what was before it keeps it back', async (t) => {
  const renew = ({ file }: Host) => writeFileSync(file, renewal?.combined ?? '');
  const { undone, text, file } = await undoneAfter(t, renew, { why: 'revoked' });
  assert.deepEqual([undone.renewed, undone.withheld, text], [[file], [], renewal?.combined]);
});

test('the agent has deleted the copy: the certificate stays in its new form; where the file is gone too, that is said', async (t) => {
  const kept = await undoneAfter(t, ({ copy }) => rmSync(copy));
  assert.deepEqual([kept.undone.reshaped, kept.undone.withheld, kept.text], [[kept.file], [], www?.combined]);
  const gone = await undoneAfter(t, ({ copy, file }) => {
    rmSync(copy);
    rmSync(file);
  });
  assert.equal(gone.undone.withheld[0]?.isThere, false);
  assert.equal(gone.stats, undefined);
});

test('somebody has written into the copy: it is not put back', async (t) => {
  const forge = ({ copy }: { copy: string }) => writeFileSync(copy, 'root:x:0:0');
  const { undone, text, file } = await undoneAfter(t, forge);
  assert.deepEqual([undone.reshaped, text], [[file], www?.combined]);
});

test('a file that was edited since: what adopt did is taken back, the edit is kept beside; of a crontab only the lines of adopt go', async (t) => {
  const home = tempDir(t);
  const directory = join(home, 'init');
  const [yaml, cron] = [join(home, 'pemfleet.yaml'), join(home, 'crontab')];
  const lines = ['MAILTO=ops', '0 3 * * * certbot renew', ''];
  writeFileSync(yaml, 'mine\n');
  writeFileSync(cron, lines.join('\n'));
  const disabled = lines.with(1, `# off: ${lines[1]}`);
  const files = [
    { path: yaml, body: Buffer.from('of adopt\n'), mode: 0o644, ...owner },
    { path: cron, body: Buffer.from(disabled.join('\n')), mode: 0o644, ...owner },
  ];
  const adoption = { bucket: '', pems: [], attributes: [], trees: [], units: [] };
  await putRun({
    ...{ directory, now: new Date(), haproxy: undefined, adoption, dropIns: [] },
    ...{ files, directories: [] },
  });
  writeFileSync(yaml, 'of adopt\nand of an operator\n');
  writeFileSync(`${yaml}.kept`, 'of the undo before\n');
  writeFileSync(cron, ['# backups', ...disabled, '0 4 * * * backup', ''].join('\n'));

  await takeBack(directory);

  const names = pathsBelow(home).sort();
  assert.deepEqual(names, ['crontab', 'pemfleet.yaml', 'pemfleet.yaml.kept', 'pemfleet.yaml.kept-2']);
  const texts = names.map((name) => readFileSync(join(home, name), 'utf8'));
  assert.deepEqual(texts, [
    ['# backups', ...lines, '0 4 * * * backup', ''].join('\n'),
    ...['mine\n', 'of the undo before\n', 'of adopt\nand of an operator\n'],
  ]);
});
