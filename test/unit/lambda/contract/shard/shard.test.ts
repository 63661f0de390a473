/** A manifest as a tree of shards: what a change costs, and what a reader refuses. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { ContractError } from '#contract/errors.ts';
import { type CertificateName, fleetName, layout } from '#contract/layout.ts';
import type { ManifestEntry, Tombstone } from '#contract/manifest.ts';
import { certificatesIn, entriesOf, tombstonesIn, withShardContent } from '#contract/shard/content.ts';
import {
  isInner,
  type LeafShard,
  NO_SHARDS,
  parseShard,
  type Shard,
  type ShardDigests,
  serializeShard,
  slotOf,
} from '#contract/shard/node.ts';
import { readShards } from '#contract/shard/read.ts';
import type { KnownTrees } from '#contract/shard/tree.ts';
import { changeShards, type ShardChange, wantsShards } from '#contract/shard/write.ts';
import { makeEntry, named } from '../../../../support/issuer/documents.ts';
import { randomFrom } from '../../../../support/random.ts';
import { thrownBy } from '../../../../support/thrown-by.ts';

const fleet = fleetName.parse('edge');
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const entryOf = (serial: string): ManifestEntry => makeEntry({ identifiers: [serial] });
const ended: Tombstone = {
  reason: 'withdrawn',
  at: '2026-11-27T08:00:00.000Z',
  pems: [{ sha256: 'f'.repeat(64), notAfter: '2027-01-01T00:00:00.000Z' }],
};

async function rejectedBy(work: Promise<unknown>): Promise<ContractError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ContractError, `${error}`);
  return error;
}

/** A prefix of the bucket, as writer and reader have it. */
class Tree {
  readonly objects = new Map<string, string>();
  digests: ShardDigests = NO_SHARDS;

  readonly load = async (digest: string): Promise<Shard> =>
    JSON.parse(this.objects.get(layout.shard(fleet, digest)) ?? '');

  async change(changes: readonly (readonly [string, ShardChange])[]): Promise<string[]> {
    const byName = new Map(changes.map(([name, change]) => [named(name), change]));
    const { digests, written } = await changeShards(this.digests, byName, this.load);
    for (const [digest, { text }] of written) this.objects.set(layout.shard(fleet, digest), text);
    this.digests = digests;
    return [...written.values()].map(({ text }) => text);
  }

  async read(
    cached: Pick<ReadonlyMap<string, Shard>, 'get'> = new Map(),
    maxCertificates = 50_000,
    known?: KnownTrees,
  ) {
    const fetch = async (key: string) => {
      const text = this.objects.get(key);
      return text === undefined ? undefined : Buffer.from(text);
    };
    const source = { cached: (digest: string) => cached.get(digest), fetch, ...(known && { known }) };
    const read = await readShards(fleet, this.digests, source, maxCertificates);
    const { leaves, ended: withTombstones } = read;
    return { ...read, certificates: certificatesIn(leaves), tombstones: tombstonesIn(withTombstones) };
  }
}

const many = (count: number) =>
  Array.from(
    { length: count },
    (_, index) => [`c${index}.test`, { entry: entryOf(`${index}`), tombstone: undefined }] as const,
  );

async function treeOf(count: number): Promise<Tree> {
  const tree = new Tree();
  await tree.change(many(count));
  return tree;
}

test('what was written is read, at each size', async () => {
  for (const count of [0, 1, 33, 600, 5_000]) {
    const { certificates, tombstones } = await (await treeOf(count)).read();

    assert.equal(Object.keys(certificates).length, count);
    assert.deepEqual(tombstones, {});
    for (const [name, { entry }] of many(count)) assert.deepEqual(certificates[named(name)], entry);
  }
});

test('one change writes the path to it, and a reader fetches no more', async () => {
  const tree = await treeOf(5_000);
  const { tree: shards } = await tree.read();

  const written = await tree.change([['c7.test', { entry: entryOf('new'), tombstone: undefined }]]);
  const read = await tree.read(shards);

  assert.equal(written.length, 2);
  assert.equal(read.fetched.length, 2);
  assert.deepEqual(read.certificates[named('c7.test')], entryOf('new'));
  assert.equal(Object.keys(read.certificates).length, 5_000);
});

test('a change to what is there already writes nothing', async () => {
  const tree = await treeOf(600);
  const before = tree.digests;

  const written = await tree.change(many(600).slice(0, 3));

  assert.deepEqual(written, []);
  assert.deepEqual(tree.digests, before);
});

test('what leaves the tree leaves no empty node behind; a tombstone stays in its place', async () => {
  const tree = await treeOf(600);

  await tree.change(many(600).map(([name]) => [name, { entry: undefined, tombstone: undefined }]));
  assert.deepEqual(tree.digests, NO_SHARDS);

  await tree.change([['old.test', { entry: undefined, tombstone: ended }]]);
  const { certificates, tombstones } = await tree.read();
  assert.deepEqual([certificates, tombstones], [{}, { 'old.test': ended }]);
});

test('random changes: the tree says what a plain record says', async () => {
  const random = randomFrom(14);
  const [tree, plain] = [new Tree(), new Map<string, ManifestEntry>()];
  let shards: Pick<ReadonlyMap<string, Shard>, 'get'> = new Map();
  for (let round = 0; round < 30; round += 1) {
    const changes = Array.from({ length: Math.ceil(random() * 60) }, () => {
      const name = `c${Math.floor(random() * 900)}.test`;
      const entry = random() < 0.3 ? undefined : entryOf(`${round}`);
      if (entry === undefined) plain.delete(name);
      else plain.set(name, entry);
      return [name, { entry, tombstone: undefined }] as const;
    });
    // Of several changes of a name, the last counts: as in a Map.
    await tree.change(changes);
    const read = await tree.read(shards);
    shards = read.tree;
    assert.deepEqual(read.certificates, { ...Object.fromEntries(plain) });
  }
});

/** So many below four nodes of the root that each of them is an inner one. */
const CROWD = Array.from({ length: 6_000 }, (_, index) => `c${index}.test`)
  .filter((name) => slotOf(named(name), 0) < 4)
  .slice(0, 300);

async function crowdedTree(): Promise<Tree> {
  const tree = new Tree();
  await tree.change(CROWD.map((name) => [name, { entry: entryOf(name), tombstone: undefined }]));
  return tree;
}

/** A reader that keeps what it has put together, as the agent does. */
class ResidentReader {
  readonly #known: KnownTrees = { subtrees: new WeakMap() };
  #shards: Pick<ReadonlyMap<string, Shard>, 'get'> = new Map();

  async read(tree: Tree) {
    const read = await tree.read(this.#shards, 50_000, this.#known);
    this.#shards = read.tree;
    return read;
  }
}

test('random changes, roots put back and shards that are lost: who keeps subtrees reads what a new reader reads', async () => {
  const random = randomFrom(1404);
  const [tree, resident] = [await crowdedTree(), new ResidentReader()];
  const roots = [tree.digests];
  const digestsIn = (nodes: Iterable<[string, Shard]>) => [...nodes].map(([sha256]) => sha256).sort();
  let last = (await resident.read(tree)).tree;
  let refused = 0;
  for (let round = 0; round < 40; round += 1) {
    if (random() < 0.3) {
      tree.digests = roots[Math.floor(random() * roots.length)] ?? NO_SHARDS;
    } else {
      const names = Array.from(
        { length: Math.ceil(random() * 4) },
        () => CROWD[Math.floor(random() * 300)] ?? '',
      );
      const changeOf = (): ShardChange => ({
        entry: random() < 0.3 ? undefined : entryOf(`${round}`),
        tombstone: random() < 0.3 ? ended : undefined,
      });
      await tree.change(names.map((name) => [name, changeOf()] as const));
      roots.push(tree.digests);
    }
    const [key = '', text = ''] = [...tree.objects].at(-1) ?? [];
    const isLost = random() < 0.3;
    if (isLost) tree.objects.delete(key);
    const whole = await tree.read().catch((error: unknown) => error);
    const read = await resident.read(tree).catch((error: unknown) => error);
    if (isLost) tree.objects.set(key, text);
    if (isLost && read instanceof ContractError) {
      refused += 1;
      assert.equal((whole as ContractError).message, read.message);
      continue;
    }

    // It needs no shard that it has read before.
    const expected = isLost ? await tree.read() : whole;
    const contentOf = ({ certificates, tombstones, tree: nodes }: Awaited<ReturnType<Tree['read']>>) => ({
      ...{ certificates, tombstones, digests: digestsIn(nodes) },
    });
    assert.deepEqual(
      contentOf(read as Awaited<ReturnType<Tree['read']>>),
      contentOf(expected as Awaited<ReturnType<Tree['read']>>),
    );
    const { tree: now } = read as Awaited<ReturnType<Tree['read']>>;
    const gone = digestsIn(last).filter((sha256) => !digestsIn(now).includes(sha256));
    assert.deepEqual(last.goneIn(now).sort(), gone);
    last = now;
  }
  assert.ok(refused > 3, `${refused}`);
});

test('who keeps subtrees sees one change, and the same shard put back', async () => {
  const [tree, resident, [name = '']] = [await crowdedTree(), new ResidentReader(), CROWD];
  const before = tree.digests;
  const first = await resident.read(tree);
  await tree.change([[name, { entry: entryOf('new'), tombstone: ended }]]);

  const changed = await resident.read(tree);
  tree.digests = before;
  const back = await resident.read(tree);

  assert.equal(changed.leaves.filter((leaf) => !first.leaves.includes(leaf)).length, 1);
  assert.deepEqual(
    [changed, back].map(({ certificates, tombstones }) => [certificates[named(name)], tombstones]),
    [
      [entryOf('new'), { [name]: ended }],
      [entryOf(name), {}],
    ],
  );
});

test('who keeps a tree asks for what has changed alone: one leaf of six hundred certificates', async () => {
  const tree = await treeOf(600);
  const known: KnownTrees = { subtrees: new WeakMap() };
  const { tree: shards } = await tree.read(new Map(), 600, known);
  await tree.change([['c7.test', { entry: entryOf('new'), tombstone: undefined }]]);
  const asked: string[] = [];
  const get = (sha256: string) => {
    asked.push(sha256);
    return shards.get(sha256);
  };

  const { tree: after, fetched, certificates } = await tree.read({ get }, 601, known);

  assert.deepEqual([asked, fetched.length], [fetched, 1]);
  assert.deepEqual([shards.goneIn(after).length, after.goneIn(shards)], [1, fetched]);
  assert.deepEqual(certificates[named('c7.test')], entryOf('new'));
});

test('who keeps subtrees refuses one that is named twice, one in another place, and too many certificates', async () => {
  const [tree, known] = [await crowdedTree(), { subtrees: new WeakMap() } as KnownTrees];
  const { tree: shards } = await tree.read(new Map(), 300, known);
  const { digests } = tree;

  assert.match((await rejectedBy(tree.read(shards, 299, known))).message, /more than 299/);
  tree.digests = digests.with(7, digests[0] ?? null);
  assert.match((await rejectedBy(tree.read(shards, 300, known))).message, /twice/);
  const moved = NO_SHARDS.with(7, digests[0] ?? null);
  tree.digests = moved;
  assert.match((await rejectedBy(tree.read(new Map(), 300, known))).message, /does not belong/);
});

test('a manifest with leaves says what it says with their record, also as a copy', async () => {
  const tree = await treeOf(600);
  await tree.change([['old.test', { entry: undefined, tombstone: ended }]]);
  const read = await tree.read();
  const { certificates, tombstones } = read;
  const empty = { version: 2 as const, fleet, updatedAt: '', certificates: {} };

  const manifest = withShardContent(empty, read);
  const [name] = Object.keys(certificates).map(named);
  const copy = { ...manifest, certificates: name ? { [name]: entryOf('copy') } : {} };

  assert.deepEqual(Object.fromEntries(entriesOf(manifest)), certificates);
  assert.deepEqual(manifest, { ...empty, certificates, tombstones });
  assert.deepEqual(Object.keys(tombstones), ['old.test']);
  assert.deepEqual([...entriesOf(copy)], [[name, entryOf('copy')]]);
  assert.deepEqual(Object.fromEntries(entriesOf({ certificates })), certificates);
});

test('entries that are large make small leaves: a change of one costs no megabyte', async () => {
  const sniFilters = Array.from({ length: 400 }, (_, index) => `${index}.${'a'.repeat(60)}.test`);
  const large = (index: number): ManifestEntry =>
    makeEntry({ identifiers: [`${index}`], haproxy: { crtListOptions: [], sniFilters } });
  const tree = new Tree();
  await tree.change(
    Array.from({ length: 640 }, (_, index) => [
      `c${index}.test`,
      { entry: large(index), tombstone: undefined },
    ]),
  );

  for (const text of tree.objects.values()) assert.ok(text.length < 140_000, `${text.length}`);
  assert.equal(Object.keys((await tree.read()).certificates).length, 640);
});

/** One leaf of the tree, and what lies above it. */
async function someLeaf(tree: Tree) {
  const { tree: shards } = await tree.read();
  const [digest, leaf] = [...shards].find(([, shard]) => !isInner(shard)) ?? ['', undefined];
  return { digest, leaf: leaf as LeafShard };
}

test('a shard that is missing, altered, cut or swapped is refused, and none of the rest is returned', async () => {
  const other = serializeShard({ certificates: { [named('x.test')]: entryOf('x') }, tombstones: {} }).text;
  const spoilt: ((text: string) => string | undefined)[] = [
    () => undefined,
    () => '',
    (text) => text.replace('"ec256"', '"ec384"'),
    (text) => text.slice(0, -10),
    (text) => `${text} `,
    () => other,
  ];
  for (const spoil of spoilt) {
    const tree = await treeOf(600);
    const key = layout.shard(fleet, (await someLeaf(tree)).digest);
    const text = spoil(tree.objects.get(key) ?? '');
    if (text === undefined) tree.objects.delete(key);
    else tree.objects.set(key, text);

    const error = await rejectedBy(tree.read());

    assert.equal(error.code, 'ERR_MANIFEST_SHARD');
    assert.match(error.message, new RegExp(key));
  }
});

test('a certificate out of its place is refused: under two names for one place it would be there twice', () => {
  const name = named('a.test');
  const { sha256: digest, text } = serializeShard({ certificates: { [name]: entryOf('1') }, tombstones: {} });
  const slot = slotOf(name, 0);

  assert.ok(!isInner(parseShard(fleet, digest, [slot], Buffer.from(text))));
  const error = thrownBy(ContractError, () =>
    parseShard(fleet, digest, [(slot + 1) % 64], Buffer.from(text)),
  );
  assert.match(error.message, /a\.test does not belong into this shard/);
});

const [leafText, innerText] = [
  serializeShard({ certificates: {}, tombstones: {} }).text,
  serializeShard({ shards: NO_SHARDS }).text,
];
const REFUSED: [what: string, text: string, code: string][] = [
  ['a newer version', leafText.replace('"version":1', '"version":2'), 'ERR_MANIFEST_VERSION'],
  ['neither', '{"version":1}\n', 'ERR_MANIFEST_SCHEMA'],
  ['both', innerText.replace('{', '{"certificates":{},"tombstones":{},'), 'ERR_MANIFEST_SCHEMA'],
  ['certificates alone', '{"version":1,"certificates":{}}\n', 'ERR_MANIFEST_SCHEMA'],
  ['63 digests', innerText.replace('null,', ''), 'ERR_MANIFEST_SCHEMA'],
  ['a digest that is a path', innerText.replace('null', '"../../other"'), 'ERR_MANIFEST_SCHEMA'],
  ['no JSON', '\u001b[2J', 'ERR_MANIFEST_SCHEMA'],
  ['a name of JavaScript', leafText.replace('{}', '{"constructor":{}}'), 'ERR_MANIFEST_SCHEMA'],
];
for (const [what, text, code] of REFUSED) {
  test(`refused: ${what}`, () => {
    const error = thrownBy(ContractError, () => parseShard(fleet, sha256(text), [], Buffer.from(text)));

    assert.equal(error.code, code);
    assert.doesNotMatch(error.message, /\p{Cc}/u);
  });
}

test('members of a newer writer survive a change', async () => {
  const [name, tree] = [named('a.test'), new Tree()];
  const leaf = { certificates: { [name]: entryOf('1') }, tombstones: {}, holds: ['x'] } as LeafShard;
  const { sha256: digest, text } = serializeShard(leaf);
  tree.objects.set(layout.shard(fleet, digest), text);
  tree.digests = NO_SHARDS.map((none, slot) => (slot === slotOf(name, 0) ? digest : none));

  const [written = ''] = await tree.change([['a.test', { entry: entryOf('2'), tombstone: ended }]]);

  assert.deepEqual(JSON.parse(written).holds, ['x']);
});

test('a tree that is too large, too deep, or names a shard twice is refused', async () => {
  const tree = await treeOf(600);
  assert.match((await rejectedBy(tree.read(new Map(), 599))).message, /more than 599 certificates/);

  const { digest } = await someLeaf(tree);
  tree.digests = Array(64).fill(tree.digests.find((one) => one === digest) ?? digest);
  assert.match((await rejectedBy(tree.read())).message, /does not belong|twice/);

  const deep = new Tree();
  let below: ShardDigests = NO_SHARDS.with(0, 'e'.repeat(64));
  for (let level = 0; level < 9; level += 1) {
    const { sha256: one, text } = serializeShard({ shards: below });
    deep.objects.set(layout.shard(fleet, one), text);
    below = NO_SHARDS.with(0, one);
  }
  deep.digests = below;
  assert.match((await rejectedBy(deep.read())).message, /more than 8 levels/);
});

test('around the bound, a fleet keeps the form that it has', () => {
  const COUNTS = [100, 250, 251, 249, 125, 124, 250];
  for (const member of ['certificates', 'tombstones'] as const) {
    const forms: boolean[] = [];
    for (const length of COUNTS) {
      const names = Object.fromEntries(Array.from({ length }, (_, index) => [`n${index}`, {}]));
      const content = { certificates: {}, tombstones: {}, [member]: names };
      forms.push(wantsShards(content, forms.at(-1) ?? false));
    }

    assert.deepEqual(forms, [false, false, true, true, true, false, false], member);
  }
});

test('the place of a name is the head of its digest, six bits for each level', () => {
  const name = 'www.example.com' as CertificateName;
  const bits = BigInt(`0x${sha256(name)}`)
    .toString(2)
    .padStart(256, '0');

  for (let level = 0; level < 8; level += 1) {
    assert.equal(slotOf(name, level), Number.parseInt(bits.slice(6 * level, 6 * level + 6), 2));
  }
});
