// Issue 19.5: the page in a real browser, as an operator opens it.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after as afterAll, before, type TestContext, test } from 'node:test';
import type { Browser } from 'playwright-core';
import { HOUR_MS } from '#common/time.ts';
import { type PageFacts, renderPage } from '../../../lambda/page/page.ts';
import { after, noon } from '../../support/clock.ts';
import { type Look, openPage, startBrowser } from '../../support/page/browser.ts';
import { makeHistory, makePageFacts, nameOf, serialOf } from '../../support/page/scene.ts';
import { tempDir } from '../../support/temp-dir.ts';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const iso = (ms: number) => after(noon, ms).toISOString();
const SOON = after(noon, 30_000);

let browser: Browser;
before(async () => {
  browser = await startBrowser();
});
afterAll(() => browser.close());

const healthy = makePageFacts({ certificates: 20, hosts: 4, history: makeHistory(60) });
const troubled = makePageFacts({
  ...{ certificates: 20, hosts: 4, history: makeHistory(60) },
  change: ([first, second, , last]) => {
    const error = { code: 'ERR_RUNTIME_REFUSED', message: 'unable to load certificate' };
    const runtime = { serial: serialOf(77), notAfter: iso(9 * 24 * HOUR_MS), chainLength: 2 };
    const failed = { state: 'failed', since: iso(-3 * HOUR_MS), provenAt: undefined, error, runtime };
    Object.assign(second?.files[3] ?? {}, failed);
    Object.assign(last ?? {}, { reportedAt: iso(-5 * HOUR_MS) });
    const [kind, file] = ['file-edited', 'shop.example.com.pem'];
    const times = { first: iso(-60 * HOUR_MS), at: iso(-2 * HOUR_MS), count: 4, days: 3 };
    Object.assign(first ?? {}, {
      drift: [{ kind, file, certificate: 'shop.example.com', ...times, culprit: 'vim' }],
    });
    return undefined;
  },
});

/** Opened in the browser, at the time when it was written. */
function open(t: TestContext, facts: PageFacts, look: Look = {}) {
  const file = join(tempDir(t), 'status.html');
  writeFileSync(file, renderPage(facts));
  return openPage(t, browser, file, { now: SOON, ...look });
}

type AxeResult = { violations: { id: string; nodes: { html: string }[] }[] };
type AxeWindow = { axe: { run: () => Promise<AxeResult> } };

for (const [kind, facts] of Object.entries({ healthy, troubled })) {
  for (const theme of ['light', 'dark'] as const) {
    test(`a ${kind} page, ${theme}: no error, no request, nothing beyond its edge, and axe-core finds no violation`, async (t) => {
      for (const width of [320, 1600]) {
        const { page, errors, requests } = await open(t, facts, { theme, width });

        const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
        // The page's own policy forbids it, and a test is no part of the page.
        await page.evaluate(AXE);
        const { violations } = await page.evaluate(() => (globalThis as unknown as AxeWindow).axe.run());

        assert.deepEqual(
          violations.map(({ id, nodes }) => [id, nodes[0]?.html]),
          [],
        );
        assert.deepEqual({ errors, requests, overflow }, { errors: [], requests: [], overflow: 0 });
      }
    });
  }
}

const EVIL = `<script>document.title='owned'</script><img src=x onerror="document.title='owned'">\u001b]0;owned\u0007\u202e"'`;

test('markup and escape sequences in every field stay text', async (t) => {
  const { status, fleets } = troubled;
  const spoil = <T>(value: T): T => {
    if (typeof value === 'string') {
      return (
        /^\d{4}-|^(default|wrong|note|unknown|served|failed|pending)$/.test(value) ? value : `${value}${EVIL}`
      ) as T;
    }
    if (Array.isArray(value)) return value.map(spoil) as T;
    if (typeof value !== 'object' || value === null || value instanceof Date) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [key, key === 'code' ? one : spoil(one)]),
    ) as T;
  };
  const facts = { status: spoil(status), fleets: spoil(fleets), history: spoil(makeHistory(10)) };

  const { page, errors, requests } = await open(t, facts);

  const counts = await page.evaluate(
    '[document.scripts.length, document.images.length, document.querySelectorAll("[onerror]").length, document.title]',
  );
  const text = (await page.evaluate('document.body.textContent')) as string;
  assert.deepEqual(counts, [1, 0, 0, 'pemfleet: something is wrong']);
  assert.deepEqual({ errors, requests }, { errors: [], requests: [] });
  assert.ok(text.split(`<script>document.title='owned'</script>`).length > 100, 'it is shown as text');
  assert.deepEqual(text.match(/[^\P{C}\n]/u), null);
});

test('by the keyboard alone: a row tells its names and serial, the filter finds one certificate', async (t) => {
  const { page } = await open(t, healthy);
  const search = page.getByRole('searchbox', { name: 'Find a certificate, a name, a serial' });

  await page.keyboard.press('Tab');
  await page.keyboard.type(serialOf(4));
  const rows = await page.locator('tbody tr:visible').count();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');

  assert.equal(await search.inputValue(), serialOf(4));
  assert.equal(rows, 1);
  assert.equal(await page.locator('#hits').textContent(), '1 found');
  const row = page.locator('tbody tr', { hasText: serialOf(4) });
  assert.match(
    (await row.textContent()) ?? '',
    new RegExp(`m\\.${nameOf(4)}.*${serialOf(4)}.*ca\\.test, ec256`),
  );
});

test('a screen reader finds one heading, landmarks, and a table with heads of rows and columns', async (t) => {
  const { page } = await open(t, healthy, { width: 320 });

  const cell = page
    .getByRole('table', { name: /Fleet default/ })
    .getByRole('row')
    .filter({ hasText: serialOf(4) });
  assert.equal(await page.getByRole('heading', { level: 1 }).count(), 1);
  assert.equal(await page.getByRole('main').count(), 1);
  assert.equal(await page.getByRole('columnheader', { name: 'lb1' }).count(), 1);
  assert.equal(await cell.getByRole('cell').count(), 7);
  assert.equal(await cell.getByRole('rowheader').count(), 1);
});

test('a page that nobody has written for hours says so, and its ages are those of now', async (t) => {
  const { page } = await open(t, healthy, { now: after(noon, 30 * HOUR_MS) });

  assert.match(
    (await page.locator('#old').textContent()) ?? '',
    /^This page shows how things stood 30 h ago\./,
  );
  assert.equal(await page.locator('td.y time').first().textContent(), '30 h');
});

test('without JavaScript and on paper, all is there but the filter', async (t) => {
  const { page, errors } = await open(t, healthy, { javaScriptEnabled: false });
  await page.emulateMedia({ media: 'print' });

  assert.equal(await page.locator('tbody tr:visible').count(), 20);
  assert.equal(await page.locator('.find').isVisible(), false);
  assert.equal(
    await page.getByRole('heading', { level: 1 }).textContent(),
    'All 20 certificates are served by all 4 hosts; next renewal in 16 days.',
  );
  assert.deepEqual(errors, []);
});

test('2,000 certificates on 100 hosts: open in a second or so, drawn as they are asked for, every host a word away', async (t) => {
  const facts = makePageFacts({
    ...{ certificates: 2000, hosts: 100 },
    change: (statuses) => {
      const pending = { state: 'pending', since: iso(-3 * HOUR_MS), provenAt: undefined };
      for (const index of [7, 55]) Object.assign(statuses[index]?.files[1200] ?? {}, pending);
      return undefined;
    },
  });
  const { page, errors } = await open(t, facts, { width: 1600, now: undefined });

  // Of a machine that does other things meanwhile, the best of three counts.
  const opened: number[] = [];
  for (let time = 0; time < 3; time += 1) {
    await page.reload();
    opened.push(Number(await page.evaluate('performance.getEntriesByType("navigation")[0].loadEventEnd')));
  }
  const drawn = await page.locator('tbody tr').count();
  const first = page.locator('tbody tr').first();
  await first.locator('summary').click();
  const hosts = await first.locator('.hosts li').allTextContents();
  await page.getByRole('button', { name: 'Show all 2,000 certificates' }).click();

  assert.ok(Math.min(...opened) < 2000, `${opened} ms`);
  assert.equal(drawn, 150);
  assert.match((await first.textContent()) ?? '', new RegExp(`^${nameOf(1200)} behind`));
  assert.deepEqual([hosts.length, hosts[7]], [100, 'lb8: not served']);
  assert.match(hosts[0] ?? '', /^lb1: served, proved about \d+ \w+ ago$/);
  assert.equal(await page.locator('tbody tr').count(), 2000);
  assert.deepEqual(errors, []);
});
