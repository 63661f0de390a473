/** The pictures of docs/status.md, by a real browser: `npx tsx test/support/page/pictures.ts`. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { HOUR_MS } from '#common/time.ts';
import { renderPage } from '../../../lambda/page/page.ts';
import { after, noon } from '../clock.ts';
import { makeTempDir } from '../temp-dir.ts';
import { openPage, startBrowser } from './browser.ts';
import { makeHistory, makePageFacts, serialOf } from './scene.ts';

const iso = (ms: number) => after(noon, ms).toISOString();
const size = { certificates: 20, hosts: 4, history: makeHistory(60) };

/** One host refuses a certificate. */
const behind = makePageFacts({
  ...size,
  change: ([, second]) => {
    const error = { code: 'ERR_RUNTIME_REFUSED', message: 'unable to load certificate: no start line' };
    const runtime = { serial: serialOf(77), notAfter: iso(9 * 24 * HOUR_MS), chainLength: 2 };
    const failed = { state: 'failed', since: iso(-3 * HOUR_MS), provenAt: undefined, error, runtime };
    Object.assign(second?.files[3] ?? {}, failed);
    return undefined;
  },
});

const PICTURES = [
  { theme: 'light', facts: behind },
  { theme: 'dark', facts: makePageFacts(size) },
] as const;

const browser = await startBrowser();
const dir = makeTempDir();
try {
  for (const { theme, facts } of PICTURES) {
    const file = join(dir.path, `${theme}.html`);
    writeFileSync(file, renderPage(facts));
    const look = { theme, width: 1100, height: 820, now: after(noon, 30_000) };
    const { page } = await openPage({ after: () => undefined }, browser, file, look);
    await page.screenshot({ path: `docs/status-${theme}.png` });
  }
} finally {
  await browser.close();
  dir.remove();
}
