// Issue 19.5: the page as text: its sentence, its size, what stays text, how many hosts and certificates it takes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { columnsOf, packedProofs } from '../../../../lambda/page/columns.ts';
import { headline } from '../../../../lambda/page/headline.ts';
import { html } from '../../../../lambda/page/markup.ts';
import { type PageFacts, renderPage } from '../../../../lambda/page/page.ts';
import { after, noon } from '../../../support/clock.ts';
import { makeHistory, makePageFacts, nameOf, serialOf } from '../../../support/page/scene.ts';

const iso = (ms: number) => after(noon, ms).toISOString();
const sentenceOf = ({ status: { level, lines, at }, fleets }: PageFacts) =>
  headline({ level, lines, fleets, now: at });

const failed = { state: 'failed', since: iso(-3 * HOUR_MS), provenAt: undefined } as const;

const SENTENCES: [facts: PageFacts, sentence: string][] = [
  [
    makePageFacts({ certificates: 20, hosts: 4 }),
    'All 20 certificates are served by all 4 hosts; next renewal in 16 days.',
  ],
  [
    makePageFacts({ certificates: 1, hosts: 1 }),
    'The certificate is served by the host; next renewal in 60 days.',
  ],
  [
    makePageFacts({ certificates: 3, hosts: 0 }),
    'All 3 certificates are published, and no host has reported yet; next renewal in 22 days.',
  ],
  [
    makePageFacts({
      ...{ certificates: 20, hosts: 4 },
      change: ([first]) => void Object.assign(first?.files[2] ?? {}, failed),
    }),
    '19 of 20 certificates are served by all 4 hosts; 1 thing needs attention.',
  ],
  [
    makePageFacts({
      ...{ certificates: 20, hosts: 2 },
      change: ([first]) => void Object.assign(first ?? {}, { reportedAt: iso(-5 * HOUR_MS) }),
    }),
    'All 20 certificates are served by the 1 host that reports; 1 thing needs attention.',
  ],
  [makePageFacts({ certificates: 0, hosts: 0 }), 'Nothing is published yet.'],
];

for (const [facts, sentence] of SENTENCES) {
  test(`the sentence of a page: ${sentence}`, () => {
    assert.equal(sentenceOf(facts), sentence);
  });
}

test('what no host that reports is known to serve is not called served', () => {
  const facts = makePageFacts({
    ...{ certificates: 2, hosts: 1 },
    change: ([only]) => void Object.assign(only ?? {}, { reportedAt: iso(-5 * HOUR_MS) }),
  });

  assert.equal(
    sentenceOf(facts),
    'What is served is unknown: no host of 1 has reported for hours; 1 thing needs attention.',
  );
});

test('a page of 20 certificates, 4 hosts and a long history has at most 60 kB', () => {
  const page = renderPage(makePageFacts({ certificates: 20, hosts: 4, history: makeHistory(400) }));

  assert.ok(Buffer.byteLength(page) <= 60_000, `${Buffer.byteLength(page)} bytes`);
  assert.ok(page.includes(nameOf(19)));
});

test('whatever comes from outside is text: no tag, no quote, no escape sequence', () => {
  const evil = `<script>alert(1)</script>"'&\u001b[2J\u202e`;

  const made = html`<p title="${evil}">${[evil, html`<b>${evil}</b>`]}</p>`.text;

  const safe = '&#60;script&#62;alert(1)&#60;/script&#62;&#34;&#39;&#38; [2J ';
  assert.equal(made, `<p title="${safe}">${safe}<b>${safe}</b></p>`);
});

test('of a hundred hosts, those that differ have a column, and those that are alike have one together', () => {
  const { fleets } = makePageFacts({
    ...{ certificates: 30, hosts: 100 },
    change: (statuses) => {
      for (const index of [7, 55]) Object.assign(statuses[index]?.files[3] ?? {}, failed);
      Object.assign(statuses[80] ?? {}, { reportedAt: iso(-5 * HOUR_MS) });
    },
  });

  const columns = columnsOf(fleets[0] ?? { fleet: '', hosts: [], certificates: [] });

  assert.deepEqual(
    columns.map(({ title, differences }) => `${title}: ${differences}`),
    ['lb81: 30', '2 hosts alike: 1', '97 hosts alike: 0'],
  );
});

test('every host has a column of its own where they are few, and no page more than six', () => {
  const few = makePageFacts({ certificates: 3, hosts: 4 }).fleets[0];
  const each = makePageFacts({
    ...{ certificates: 40, hosts: 40 },
    change: (statuses) => {
      for (const [index, status] of statuses.entries()) Object.assign(status.files[index] ?? {}, failed);
    },
  }).fleets[0];

  assert.deepEqual(few && columnsOf(few).map(({ title }) => title), ['lb1', 'lb2', 'lb3', 'lb4']);
  assert.deepEqual(
    each &&
      columnsOf(each)
        .map(({ title }) => title)
        .slice(-1),
    ['35 others'],
  );
});

test('proofs are packed into one character a host, without the end that repeats itself', () => {
  const proved = (ms: number) => ({ state: 'served', provenAt: iso(-ms) }) as const;
  const cells = [
    { state: 'failed' } as const,
    { state: 'served' } as const,
    proved(60_000),
    proved(HOUR_MS),
    proved(HOUR_MS),
  ];

  assert.equal(packedProofs(cells, noon), '012O');
  assert.equal(packedProofs([proved(4000 * DAY_MS)], noon), '~');
});

test('2,000 certificates on 100 hosts make a page of a few MB, in seconds', () => {
  const facts = makePageFacts({ certificates: 2000, hosts: 100 });
  const begin = process.cpuUsage();

  const page = renderPage(facts);

  const { user, system } = process.cpuUsage(begin);
  assert.ok(Buffer.byteLength(page) < 4_000_000, `${Buffer.byteLength(page)} bytes`);
  assert.ok(user + system < 10_000_000, `${user + system} µs`);
  assert.ok(page.includes(serialOf(1999)));
});
