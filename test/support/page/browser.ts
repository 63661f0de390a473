/** A real browser without a window, and pages in it that say what they do. */
import type { TestContext } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { programPath } from '../../setup.mjs';

/** Chromium's own traffic is none of the page's. */
const ARGUMENTS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update'],
];

export async function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: programPath('chromium'), args: ARGUMENTS });
}

export interface OpenedPage {
  page: Page;
  /** Errors of the page, of its console, and of its policy. */
  errors: string[];
  /** Addresses that it has asked for, but for its own. */
  requests: string[];
}

export interface Look {
  width?: number;
  height?: number;
  theme?: 'light' | 'dark';
  /** Without it, the page is looked at when it was written. */
  now?: Date | undefined;
  javaScriptEnabled?: boolean;
}

/** Opens a file as an operator does who was sent it. */
export async function openPage(
  t: Pick<TestContext, 'after'>,
  browser: Browser,
  file: string,
  look: Look = {},
): Promise<OpenedPage> {
  const { width = 1280, height = 900, theme = 'light', now, javaScriptEnabled = true } = look;
  const context = await browser.newContext({
    ...{ viewport: { width, height }, colorScheme: theme, javaScriptEnabled, reducedMotion: 'reduce' },
  });
  t.after(() => context.close());
  const page = await context.newPage();
  const [errors, requests]: [string[], string[]] = [[], []];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('request', (request) => requests.push(request.url()));
  if (now !== undefined) await page.clock.setFixedTime(now);
  const url = `file://${file}`;
  await page.goto(url);
  return { page, errors, requests: requests.filter((one) => one !== url) };
}
