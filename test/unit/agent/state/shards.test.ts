// The records of many files are in shards: a change writes one of them, a kill between two leaves each as it was or as it is to be.
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { FileStatus, HostStatus } from '#contract/host-status.ts';
import { certificateName, fleetName, hostName } from '#contract/layout.ts';
import { NO_SHARDS } from '#contract/shard/node.ts';
import { ShardTree } from '#contract/shard/tree.ts';
import { retryUnsaved } from '../../../../agent/state/documents.ts';
import type { FileRecord } from '../../../../agent/state/file-record.ts';
import { OWNERSHIP_FILE, readOwnership } from '../../../../agent/state/ownership.ts';
import { ShardedMap, shardOf } from '../../../../agent/state/sharded-map.ts';
import { parsedShards, type StoredShards, saveShards } from '../../../../agent/state/shards.ts';
import { type AgentState, readStateDirectory, saveState } from '../../../../agent/state/state.ts';
import { readStatus, saveStatus } from '../../../../agent/state/status.ts';
import { randomFrom } from '../../../support/random.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const own = { fleet: fleetName.parse('edge'), host: hostName.parse('lb1') };
const [sha, otherSha] = ['a'.repeat(64), 'b'.repeat(64)];
const record = (written = sha): FileRecord => ({
  certificate: certificateName.parse('shop'),
  written: [written],
});
const nameOf = (index: number) => `shop-${index}.pem`;
const many = (count: number): AgentState => ({
  files: ShardedMap.of(
    Object.fromEntries(Array.from({ length: count }, (_, index) => [nameOf(index), record()])),
  ),
});
const changed = (state: AgentState, file: string, written = otherSha): AgentState => ({
  ...state,
  files: state.files.with([[file, record(written)]]),
});

async function read(directory: string, logged: unknown[] = []): Promise<AgentState> {
  const log = (event: string, fields: object = {}) => void logged.push({ event, ...fields });
  return (await readStateDirectory(directory, own, log)).state;
}

/** Bytes of all files that are not as they were. */
function bytesWritten(directory: string, work: () => Promise<unknown>): Promise<number> {
  const inodes = () =>
    new Map(
      readdirSync(directory, { recursive: true, encoding: 'utf8' })
        .map((name) => [name, statSync(join(directory, name))] as const)
        .filter(([, stats]) => stats.isFile())
        .map(([name, { ino, mtimeMs, size }]) => [name, { id: `${ino} ${mtimeMs}`, size }]),
    );
  const before = inodes();
  return work().then(() =>
    [...inodes()].reduce((sum, [name, { id, size }]) => (before.get(name)?.id === id ? sum : sum + size), 0),
  );
}

/** As another process has it: nothing of the files is the same as before. */
function touchAll(directory: string): void {
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const path = join(directory, name);
    if (statSync(path).isFile()) writeFileSync(path, readFileSync(path));
  }
}

const recordsOf = ({ files }: AgentState) => Object.fromEntries(files);

test('names are spread evenly, and a change makes a new map that shares all other shards', () => {
  const { files } = many(50_000);
  const after = files.with([[nameOf(7), record(otherSha)]]);

  assert.ok(Math.max(...files.shards.map(({ size }) => size)) < 100);
  assert.deepEqual(
    [after.size, files.get(nameOf(7))?.written, after.get(nameOf(7))?.written],
    [50_000, [sha], [otherSha]],
  );
  assert.equal(after.shards.filter((shard, index) => shard !== files.shards[index]).length, 1);
  assert.equal(
    files.with([
      [nameOf(7), files.get(nameOf(7))],
      ['none', undefined],
    ]),
    files,
  );
  assert.equal(after.with([[nameOf(7), undefined]]).has(nameOf(7)), false);
});

test('a change of one among many records writes one shard; another process reads it', async (t) => {
  const directory = tempDir(t);
  await saveState(directory, many(2_000));
  const before = await read(directory);
  const after = changed(before, nameOf(7));

  const bytes = await bytesWritten(directory, () => saveState(directory, after, before));

  assert.ok(bytes > 0 && bytes < 5_000, `${bytes}`);
  assert.deepEqual(recordsOf(await read(directory)), recordsOf(after));
  touchAll(directory);
  const again = await read(directory);
  assert.deepEqual(recordsOf(again), recordsOf(after));
  assert.equal(await bytesWritten(directory, () => saveState(directory, { ...again }, again)), 0);
  assert.equal(
    (await read(directory)).files.shards.every((shard, index) => shard === again.files.shards[index]),
    true,
  );
});

test('a few records are one document, and become one again', async (t) => {
  const directory = tempDir(t);
  await saveState(directory, many(100));
  assert.deepEqual(readdirSync(directory), ['state.json']);
  const few = await read(directory);
  const grown = { ...few, files: many(300).files };

  await saveState(directory, grown, few);
  assert.deepEqual(readdirSync(directory), ['records', 'state.json']);
  assert.deepEqual(recordsOf(await read(directory)), recordsOf(grown));
  await saveState(directory, { ...few, files: many(200).files }, grown);
  assert.deepEqual(readdirSync(directory), ['records', 'state.json'], 'not with each file');
  await saveState(directory, few, await read(directory));

  assert.deepEqual(readdirSync(directory), ['state.json']);
  assert.deepEqual(recordsOf(await read(directory)), recordsOf(few));
});

test('a kill between shards and document, in both directions: the document says where the records are', async (t) => {
  const directory = tempDir(t);
  const [root, folder] = [join(directory, 'state.json'), join(directory, 'records')];
  await saveState(directory, many(100));
  const inline = readFileSync(root);
  const few = await read(directory);
  const grown = { ...few, files: many(300).files };
  await saveState(directory, grown, few);

  writeFileSync(root, inline);
  assert.deepEqual(
    recordsOf(await read(directory)),
    recordsOf(few),
    'the shards are written, the document is not',
  );
  await saveState(directory, grown, few);
  assert.deepEqual(recordsOf(await read(directory)), recordsOf(grown));

  const stale = readFileSync(join(folder, readdirSync(folder)[0] ?? ''));
  await saveState(directory, few, await read(directory));
  assert.equal(existsSync(folder), false);
  const next = {
    ...few,
    files: few.files.with(Array.from({ length: 300 }, (_, at) => [`new-${at}.pem`, record()])),
  };
  await saveState(directory, next, few);
  writeFileSync(join(folder, '1023.json'), stale);
  assert.deepEqual(
    Object.keys(recordsOf(await read(directory))).sort(),
    Object.keys(recordsOf(next))
      .filter((name) => shardOf(name) !== 1023)
      .sort(),
    'names that do not belong there count for nothing',
  );
});

test('a shard that is broken or lost costs its own records, is logged once, and is written again', async (t) => {
  for (const content of ['{', undefined, '{"files":{"shop-7.pem":7}}']) {
    const directory = tempDir(t);
    const whole = many(300);
    await saveState(directory, whole);
    const path = join(directory, 'records', `${`${shardOf(nameOf(7))}`.padStart(4, '0')}.json`);
    if (content === undefined) rmSync(path);
    else writeFileSync(path, content);
    const logged: { event?: string; file?: string }[] = [];

    const broken = await read(directory, logged);
    await read(directory, logged);

    const lost = [...whole.files.keys()].filter((name) => !broken.files.has(name));
    assert.deepEqual(
      lost,
      [...whole.files.keys()].filter((name) => shardOf(name) === shardOf(nameOf(7))),
    );
    assert.deepEqual(logged, content === undefined ? [] : [{ event: 'state.reset', file: path }]);
    await saveState(directory, whole, broken);
    touchAll(directory);
    assert.deepEqual(recordsOf(await read(directory)), recordsOf(whole));
  }
});

test('of a state directory that takes nothing, this process keeps all shards', async (t) => {
  const directory = join(tempDir(t), 'state');
  writeFileSync(directory, 'a file');
  const whole = many(300);

  assert.equal(await saveState(directory, whole), false);

  assert.deepEqual(recordsOf(await read(directory)), recordsOf(whole));
  const later = changed(await read(directory), nameOf(7));
  assert.equal(await saveState(directory, later, whole), false);
  assert.deepEqual(recordsOf(await read(directory)), recordsOf(later));
});

test('a shard that was not taken and is empty meanwhile does not come back', async (t) => {
  const directory = tempDir(t);
  await saveState(directory, many(400));
  const whole = await read(directory);
  const index = shardOf(nameOf(7));
  const path = join(directory, 'records', `${`${index}`.padStart(4, '0')}.json`);
  rmSync(path);
  mkdirSync(join(path, 'in-the-way'), { recursive: true });
  assert.equal(await saveState(directory, changed(whole, nameOf(7)), whole), false);
  rmSync(path, { recursive: true });
  const others = [...whole.files.keys()].filter((file) => shardOf(file) === index);
  const without = { ...whole, files: whole.files.with(others.map((file) => [file, undefined])) };

  await saveState(directory, without, whole);
  await retryUnsaved(directory);

  assert.deepEqual(recordsOf(await read(directory)), recordsOf(without));
});

async function claimsIn(t: TestContext, count: number) {
  const certs = tempDir(t);
  const logged: string[] = [];
  const log = (event: string) => void logged.push(event);
  const open = (fleet = own.fleet) => readOwnership({ certsDir: certs, stateDir: fleet, fleet }, log);
  const state = { ...many(count), fleet: own.fleet };
  assert.equal(await (await open()).save(state), true);
  return { certs, open, state, logged };
}

test('the claims beside the PEMs: a change writes one shard, and the state directory may be lost', async (t) => {
  const { certs, open, state, logged } = await claimsIn(t, 2_000);
  const ownership = await open();
  assert.equal(ownership.recordsWith(state), state);

  const after = changed(state, nameOf(7));
  const bytes = await bytesWritten(certs, () => ownership.save(after));

  assert.ok(bytes > 0 && bytes < 3_000, `${bytes}`);
  assert.equal((await open()).recordsWith(after), after);
  assert.equal(await bytesWritten(certs, async () => (await open()).save(after)), 0);
  touchAll(certs);
  const none = { files: ShardedMap.of<FileRecord>({}), fleet: own.fleet };
  assert.deepEqual(recordsOf((await open()).recordsWith(none)), recordsOf(after));
  assert.deepEqual(logged, []);
  assert.ok(
    readdirSync(certs).every((name) => name.startsWith('.')),
    'HAProxy skips all of them',
  );
});

test('a broken shard of the claims is one shard; the claims of another fleet stay', async (t) => {
  const { certs, open, state, logged } = await claimsIn(t, 300);
  const other = fleetName.parse('web');
  const theirs = { files: ShardedMap.of({ 'theirs.pem': record() }), fleet: other };
  assert.equal(await (await open(other)).save(theirs), true);
  const ownership = await open();
  assert.deepEqual(
    [ownership.otherOwnerOf('theirs.pem'), ownership.otherOwnerOf(nameOf(7))],
    [other, undefined],
  );
  const path = join(certs, '.pemfleet-files', `${`${shardOf(nameOf(7))}`.padStart(4, '0')}.json`);
  writeFileSync(path, '{"files":{"x.pem":{}}}');

  const broken = await open();

  assert.deepEqual(logged, ['state.reset']);
  assert.equal(broken.recordsWith(state), state, 'the state directory has them');
  assert.equal(await broken.save(state), true);
  touchAll(certs);
  const healed = await open();
  assert.deepEqual(recordsOf(healed.recordsWith({ files: ShardedMap.of({}) })), recordsOf(state));
  assert.equal(healed.otherOwnerOf('theirs.pem'), other);
});

test('the claims of a few files are one document again', async (t) => {
  const { certs, open } = await claimsIn(t, 300);
  const few = { ...many(100), fleet: own.fleet };

  assert.equal(await (await open()).save(few), true);

  assert.deepEqual(readdirSync(certs), [OWNERSHIP_FILE]);
  assert.equal((await open()).recordsWith(few), few);
});

const fileStatus = (index: number, instance?: string): FileStatus => ({
  file: nameOf(index),
  ...(instance && { instance }),
  certificate: certificateName.parse('shop'),
  state: 'served',
  since: '2026-11-22T12:00:00.000Z',
  wanted: { sha256: sha, serial: '01' },
});
const statusOf = (files: FileStatus[]): HostStatus => ({
  ...{ version: 1, ...own, reportedAt: '2026-11-22T12:00:00.000Z', agent: { version: '1' } },
  haproxy: ['b', 'a'].map((name) => ({ name, socket: `/${name}` })),
  files,
});
const byName = (a: FileStatus, b: FileStatus) => (a.file < b.file ? -1 : 1);

test('the status of many files: a change writes one shard, a proof that was renewed none; the order stays', async (t) => {
  const directory = tempDir(t);
  const of = (instance: string) =>
    Array.from({ length: 500 }, (_, at) => fileStatus(at, instance)).sort(byName);
  const files = [...of('b'), ...of('a')];
  await saveStatus(directory, statusOf(files));
  touchAll(directory);

  assert.deepEqual(await readStatus(directory, own), statusOf(files));
  const proved = files.map((file) => ({ ...file, provenAt: '2026-11-22T13:00:00.000Z' }));
  const next = proved.map((file, at) => (at === 7 ? { ...file, state: 'failed' as const } : file));
  const bytes = await bytesWritten(directory, () => saveStatus(directory, statusOf(next)));

  assert.ok(bytes > 0 && bytes < 5_000, `${bytes}`);
  const states = (await readStatus(directory, own)) as HostStatus;
  assert.deepEqual(
    states.files.map(({ state }) => state),
    next.map(({ state }) => state),
  );
  await saveStatus(directory, statusOf(files.slice(0, 3)));
  assert.deepEqual(readdirSync(directory), ['status.json']);
  assert.deepEqual(await readStatus(directory, own), statusOf(files.slice(0, 3)));
});

test('what is deleted under a running agent is written again', async (t) => {
  const directory = tempDir(t);
  const files = Array.from({ length: 300 }, (_, at) => fileStatus(at)).sort(byName);
  const { haproxy: _, ...rest } = statusOf(files);
  const status = { ...rest, haproxy: [{ socket: '/s' }] };
  const { open, certs, state } = await claimsIn(t, 300);
  for (const next of [status, { ...status, reportedAt: '2026-11-22T13:00:00.000Z' }]) {
    for (const place of [directory, certs]) {
      for (const name of readdirSync(place)) rmSync(join(place, name), { recursive: true });
    }
    await readStateDirectory(directory, own, () => undefined);
    await saveState(directory, state);
    await saveStatus(directory, next);
    assert.equal(await (await open()).save(state), true);
  }

  touchAll(directory);
  touchAll(certs);
  assert.deepEqual((await readStatus(directory, own)) as HostStatus, {
    ...status,
    reportedAt: '2026-11-22T13:00:00.000Z',
  });
  assert.deepEqual(recordsOf(await read(directory)), recordsOf(state));
  assert.deepEqual(recordsOf((await open()).recordsWith({ files: ShardedMap.of({}) })), recordsOf(state));
});

test('a change of many files is saved, whatever else is saved and read in between', async (t) => {
  const directory = tempDir(t);
  const random = randomFrom(41);
  let files = Array.from({ length: 400 }, (_, index) => fileStatus(index)).sort(byName);
  const check = async () => {
    const { files: read } = (await readStatus(directory, own)) as HostStatus;
    assert.deepEqual(
      read.map(({ provenAt: _, ...file }) => file),
      files.map(({ provenAt: _, ...file }) => file),
    );
  };
  for (let round = 0; round < 60; round += 1) {
    const at = Math.floor(random() * files.length);
    const changes: readonly (() => void)[] = [
      () => {
        files = files.with(at, {
          ...(files[at] as FileStatus),
          disk: { sha256: random() < 0.5 ? sha : otherSha },
        });
      },
      () => {
        files = files.toSpliced(at, 1);
      },
      () => {
        files = [...files, fileStatus(1000 + round)].sort(byName);
      },
      () => {
        files = files.map((file) => ({ ...file, provenAt: new Date(round * 1000).toISOString() }));
      },
      () => touchAll(directory),
    ];
    changes[Math.floor(random() * changes.length)]?.();
    await saveStatus(directory, statusOf(files));
    if (random() < 0.5) await check();
  }
  touchAll(directory);
  await check();
});

test('where no file has changed, a reading returns the objects of the one before, or those that were written', async (t) => {
  const directory = tempDir(t);
  const { open, state } = await claimsIn(t, 300);
  const files = Array.from({ length: 300 }, (_, at) => fileStatus(at)).sort(byName);
  await saveState(directory, state);
  await saveStatus(directory, statusOf(files));

  const [before, again] = [await read(directory), await read(directory)];
  const statuses = [await readStatus(directory, own), await readStatus(directory, own)] as HostStatus[];
  const after = changed(before, nameOf(7));
  await saveState(directory, after, before);
  const ownership = await open();
  await ownership.save(after);

  assert.equal(before.files, state.files);
  assert.equal(again.files, before.files);
  assert.equal(statuses[0]?.files, statuses[1]?.files);
  assert.equal((await read(directory)).files, after.files);
  assert.equal((await open()).recordsWith(await read(directory)).files, after.files);
});

/** What somebody may do to a file of a shard. */
const STRANGERS: readonly ((path: string) => void)[] = [
  (path) => writeFileSync(path, readFileSync(path, 'utf8').replaceAll(sha, `${otherSha}`)),
  (path) => writeFileSync(path, readFileSync(path, 'utf8').slice(0, -5)),
  (path) => rmSync(path),
  (path) => {
    writeFileSync(`${path}.new`, readFileSync(path, 'utf8').replaceAll(otherSha, sha));
    renameSync(`${path}.new`, path);
  },
];

test('whatever happens to shards on disk, a process that stays reads what a new one reads of all of them', async (t) => {
  const directory = tempDir(t);
  const { certs, open, state } = await claimsIn(t, 300);
  const random = randomFrom(47);
  const among = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T;
  let files = Array.from({ length: 300 }, (_, at) => fileStatus(at)).sort(byName);
  await saveState(directory, state);
  await saveStatus(directory, statusOf(files));
  const folders = [join(directory, 'records'), join(directory, 'status'), join(certs, '.pemfleet-files')];
  for (let round = 0; round < 6; round += 1) {
    for (const folder of folders) {
      for (const work of STRANGERS) if (random() < 0.5) work(join(folder, among(readdirSync(folder))));
    }
    const kept = await read(directory);
    if (random() < 0.5) {
      const after = changed(kept, nameOf(Math.floor(random() * 300)), among([sha, otherSha]));
      await saveState(directory, after, kept);
      await (await open()).save({ ...after, fleet: own.fleet });
      const at = Math.floor(random() * files.length);
      files = files.with(at, { ...(files[at] as FileStatus), state: among(['served', 'failed']) });
      await saveStatus(directory, statusOf(files));
    }
    const copies = [join(tempDir(t), 'state'), join(tempDir(t), 'certs')] as const;
    cpSync(directory, copies[0], { recursive: true });
    cpSync(certs, copies[1], { recursive: true });
    const none = { files: ShardedMap.of<FileRecord>({}), fleet: own.fleet };
    const other = await readOwnership(
      { certsDir: copies[1], stateDir: own.fleet, fleet: own.fleet },
      () => undefined,
    );

    assert.deepEqual(recordsOf(await read(directory)), recordsOf(await read(copies[0])), `round ${round}`);
    assert.deepEqual(await readStatus(directory, own), await readStatus(copies[0], own), `round ${round}`);
    assert.deepEqual(recordsOf((await open()).recordsWith(none)), recordsOf(other.recordsWith(none)));
  }
});

test('the bytes of shards that are saved are kept no longer: of many certificates, they are a hundred megabytes', async (t) => {
  const directory = tempDir(t);
  const shards: StoredShards = {
    ...{ digests: NO_SHARDS, leaves: [], ended: [], tree: new ShardTree([]) },
    fetched: new Map([[sha, Buffer.from('{}')]]),
  };

  await saveShards(directory, shards);

  assert.equal(readFileSync(join(directory, 'shards', `${sha}.json`), 'utf8'), '{}');
  assert.deepEqual([shards.fetched.size, parsedShards(directory, NO_SHARDS)?.fetched.size], [0, 0]);
});
