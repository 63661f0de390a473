/** The recovery key names two successors, because one of them was forgotten: the later word counts, for the issuer as for hosts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyStory, type KeyZone } from '../../../support/issuer/key-story.ts';
import { randomFrom } from '../../../support/random.ts';
import { makeFileNames } from '../../../support/temp-dir.ts';

const newFile = makeFileNames('.json');

async function begin(): Promise<KeyStory> {
  const story = new KeyStory(newFile());
  await story.begin();
  return story;
}

/** The clock is right again, and both sides work. @returns what hosts refuse; nothing: they all follow */
async function settleDown(story: KeyStory): Promise<(string | undefined)[]> {
  story.aheadHours = 0;
  for (let round = 0; round < 3; round += 1) {
    await story.pass();
    await story.poll();
  }
  return story.hosts.flatMap(({ refusal }) => refusal ?? []);
}

/** The key is lost while the issuer's clock is ahead; hosts follow the recovery. */
async function recoverAhead(story: KeyStory, hours: number): Promise<void> {
  await story.lose('issuer');
  story.aheadHours = hours;
  await story.pass();
  await story.poll();
}

const rows: [says: string, tell: (story: KeyStory) => Promise<void>][] = [
  [
    'a recovery while the clock was two days ahead, and published/ is still there',
    async (story) => {
      await recoverAhead(story, 48);
      await story.lose('issuer');
      story.aheadHours = 0;
    },
  ],
  [
    'it comes back with a restored published/, after a recovery that knew nothing of it',
    async (story) => {
      await recoverAhead(story, 48);
      const old = story.copy('published');
      for (const zone of ['issuer', 'published', 'status'] as const) await story.lose(zone);
      story.aheadHours = 0;
      await story.pass();
      await story.poll();
      await story.lose('issuer');
      await story.restore('published', old);
    },
  ],
  [
    'hosts alone know of it: issuer/ and published/ are lost',
    async (story) => {
      await recoverAhead(story, 48);
      await story.lose('issuer');
      await story.lose('published');
      story.aheadHours = -48;
    },
  ],
  [
    'a clock that was a year ahead, and hosts alone know of it',
    async (story) => {
      await recoverAhead(story, 24 * 365);
      await story.lose('issuer');
      await story.lose('published');
      story.aheadHours = 0;
    },
  ],
  [
    'a host has followed it, and had no root of it yet',
    async (story) => {
      const published = story.copy('published');
      await story.lose('issuer');
      story.aheadHours = 48;
      await story.pass();
      const keys = [...story.copy('published')].filter(([key]) => key.endsWith('keys.json'));
      await story.poll(story.hosts.slice(0, 1));
      await story.restore('published', new Map([...published, ...keys]));
      await story.lose('issuer');
      await story.lose('published');
      story.aheadHours = 0;
    },
  ],
  [
    'two recoveries from two copies, and hosts on either branch',
    async (story) => {
      const [issuer, published] = [story.copy('issuer'), story.copy('published')];
      await story.lose('issuer');
      story.aheadHours = 30;
      await story.pass();
      await story.rotate();
      await story.pass();
      await story.poll(story.hosts.slice(0, 1));
      const [laterIssuer, laterPublished] = [story.copy('issuer'), story.copy('published')];
      await story.restore('issuer', issuer);
      await story.restore('published', published);
      await story.lose('status');
      story.aheadHours = -30;
      await story.recover();
      await story.pass();
      await story.poll(story.hosts.slice(1));
      await story.restore('issuer', laterIssuer);
      await story.pass();
      await story.restore('published', laterPublished);
    },
  ],
  [
    'a host meets a restored root first, after a rotation has written keys.json anew',
    async (story) => {
      const published = story.copy('published');
      for (const zone of ['issuer', 'published'] as const) await story.lose(zone);
      await story.pass();
      await story.restore('published', published);
      await story.rotate();
      const [host] = story.hosts;
      if (host !== undefined) story.forget(host);
      await story.poll();
    },
  ],
  [
    'issuer/ and published/ of before a recovery: the hosts say so',
    async (story) => {
      const [issuer, published] = [story.copy('issuer'), story.copy('published')];
      await recoverAhead(story, 48);
      await story.restore('issuer', issuer);
      await story.restore('published', published);
      story.aheadHours = 0;
    },
  ],
];
for (const [says, tell] of rows) {
  test(`${says}: all hosts follow`, async () => {
    const story = await begin();

    await tell(story);

    assert.deepEqual(await settleDown(story), []);
    const { recoveries } = story;
    assert.deepEqual(await settleDown(story), []);
    assert.equal(story.recoveries, recoveries, 'nobody has to do anything any more');
  });
}

/** Six hundred of them have run. */
const SEEDS = 12;
const ZONES: readonly KeyZone[] = ['issuer', 'published', 'status'];

for (let seed = 1; seed <= SEEDS; seed += 1) {
  test(`seed ${seed}: losses, backups, rotations and clocks in any order: all hosts follow in the end`, async () => {
    const story = await begin();
    const random = randomFrom(seed);
    const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T;
    const copies = [new Map(ZONES.map((zone) => [zone, story.copy(zone)]))];
    const told: string[] = [];
    const operations: Record<string, (zone: KeyZone) => Promise<unknown>> = {
      pass: () => story.pass(),
      rotate: () => story.rotate(),
      backup: async () => copies.push(new Map(ZONES.map((one) => [one, story.copy(one)]))),
      lose: (zone) => story.lose(zone),
      restore: (zone) => story.restore(zone, pick(copies).get(zone) ?? new Map()),
      forget: async () => story.forget(pick(story.hosts)),
      clock: async () => {
        story.aheadHours = Math.round((random() * 2 - 1) * 48);
        await story.pass();
        story.aheadHours = 0;
      },
    };
    for (let count = 0; count < 40; count += 1) {
      const [name, zone] = [pick(Object.keys(operations)), pick(ZONES)];
      told.push(`${name} ${zone}`);
      await operations[name]?.(zone);
      await story.poll(story.hosts.filter(() => random() < 0.7));
    }

    assert.deepEqual(await settleDown(story), [], told.join(', '));
  });
}
