// Issue 19.5: the status live in a terminal, the terminal afterwards, and a link to the page in S3.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { setEnv } from '../../support/env.ts';
import { DIRECTORY_URL } from '../../support/issuer/documents.ts';
import { issuerProgram } from '../../support/issuer/program.ts';
import { startMoto } from '../../support/parts/moto.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { openTerminal } from '../../support/terminal.ts';

const [ENTER, LEAVE] = ['\u001b[?1049h', '\u001b[?1049l'];

const issuer = issuerProgram();

function stage(t: TestContext, bucket?: string) {
  const dir = tempDir(t);
  const [own, file] = [join(dir, 'bucket'), join(dir, 'pemfleet.yaml')];
  mkdirSync(own);
  const acme = { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true };
  const certificates = [{ identifiers: ['www.test'] }];
  writeFileSync(file, JSON.stringify({ bucket: bucket ?? pathToFileURL(own).href, acme, certificates }));
  // A bucket of S3 wants the SDK, which the bundle leaves out.
  const cli = bucket === undefined ? [issuer] : ['--import', 'tsx', 'lambda/cli.ts'];
  const program = [...cli, 'status', '--config', file];
  const status = (...args: string[]) =>
    spawnSync(process.execPath, [...program, ...args], { encoding: 'utf8' });
  return { own, program, status };
}

for (const [how, keys, wanted] of [
  ['q', 'q', 0],
  ['Ctrl-C', '\u0003', 0],
] as const) {
  test(`status --watch draws on the other screen, and ${how} gives the terminal back`, async (t) => {
    const { program } = stage(t);
    const env = { ...process.env, TERM: 'xterm', NO_COLOR: '1' } as Record<string, string>;
    const terminal = openTerminal([process.execPath, ...program, '--watch', '--interval', '1s'], { env });
    t.after(() => terminal.close());

    await terminal.reply(/www\.test: configured, not published/, keys);
    const status = await terminal.end();

    const raw = terminal.raw();
    assert.equal(status, wanted);
    assert.ok(
      raw.indexOf(ENTER) !== -1 && raw.lastIndexOf(LEAVE) > raw.lastIndexOf(ENTER),
      'the screen is given back',
    );
    assert.ok(raw.lastIndexOf('\u001b[?25h') > raw.lastIndexOf('\u001b[?25l'), 'so is the cursor');
    assert.match(terminal.screen(), /^Nothing is published yet; 1 thing needs attention\.$/m);
  });
}

test('status --watch without a terminal is refused; with --json it prints one line for each look', async (t) => {
  const { program, status } = stage(t);

  const refused = status('--watch');
  const alone = status('--interval', '2s');
  const child = spawn(process.execPath, [...program, '--watch', '--json', '--interval', '1s']);
  t.after(() => child.kill('SIGKILL'));
  const lines: unknown[] = [];
  for await (const line of createInterface(child.stdout)) {
    if (lines.push(JSON.parse(line)) === 2) break;
  }
  child.kill('SIGTERM');
  const [, signal] = await once(child, 'exit');

  assert.equal(refused.status, 64);
  assert.match(alone.stderr, /^--interval belongs to --watch$/m);
  assert.match(
    refused.stderr,
    /--watch wants a terminal, saw none: --json with it prints a line for each look/,
  );
  assert.deepEqual(
    lines.map((line) => (line as { result: string }).result),
    ['wrong', 'wrong'],
  );
  assert.equal(signal, 'SIGTERM');
});

test('status --page prints a signed link that is bounded, and opens the page as HTML', async (t) => {
  const moto = await startMoto();
  t.after(moto.stop);
  t.after(setEnv(moto.env));
  const s3 = new S3Client({ endpoint: moto.endpoint, region: moto.region, credentials: moto.credentials });
  t.after(() => s3.destroy());
  const CreateBucketConfiguration = { LocationConstraint: 'eu-central-1' } as const;
  await s3.send(new CreateBucketCommand({ Bucket: 'pages', CreateBucketConfiguration }));
  const { status } = stage(t, 's3://pages/some');

  const none = status('--page');
  await (await openBucket('s3://pages/some')).put(layout.statusPage, '<!doctype html>\n<p>✓</p>\n');
  const printed = status('--page', '--expires-in', '15m');
  const link = new URL(printed.stdout.trim());
  const answer = await fetch(link);

  assert.equal(none.status, 78);
  assert.match(
    none.stderr,
    /wanted issuer\/status-page\.html in s3:\/\/pages\/some\/, saw none: set statusPage: true/,
  );
  assert.equal(link.pathname, '/pages/some/issuer/status-page.html');
  assert.equal(link.searchParams.get('X-Amz-Expires'), '900');
  assert.match(link.searchParams.get('X-Amz-Signature') ?? '', /^[0-9a-f]{64}$/);
  assert.equal(answer.headers.get('content-type'), 'text/html; charset=utf-8');
  assert.match(await answer.text(), /^<!doctype html>/);
  assert.match(printed.stderr, /whoever has this link reads the page until /);
  assert.equal(status('--page', '--expires-in', '8d').status, 64);
});
