// Issue 19.5: the signed link of `status --page` as S3 itself judges it: the signature, its end, and the rights of whoever has signed.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { HOUR_MS } from '#common/time.ts';
import { startAws } from '../../aws/aws.ts';
import { DIRECTORY_URL } from '../../support/issuer/documents.ts';
import { tempDir } from '../../support/temp-dir.ts';

const PAGE = 'issuer/status-page.html';

test('the signed link holds before S3, ends at its time, and opens nothing that its signer may not read', async (t) => {
  let passedMs = 0;
  const aws = await startAws({ now: () => new Date(Date.now() + passedMs) });
  t.after(aws.stop);
  aws.s3.createBucket('certs');
  aws.s3.write('certs', PAGE, '<!doctype html>');
  aws.s3.write('certs', 'issuer/signing-key.json', '{}');
  const file = join(tempDir(t), 'pemfleet.yaml');
  const acme = { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true };
  const certificates = [{ identifiers: ['www.test'] }];
  writeFileSync(file, JSON.stringify({ bucket: 's3://certs', acme, certificates }));
  // docs/status.md, "The page in the bucket": nothing beyond the page.
  const Statement = [{ Effect: 'Allow', Action: 's3:GetObject', Resource: `arn:aws:s3:::certs/${PAGE}` }];
  const reader = aws.role({ name: 'reader', policies: [{ Version: '2012-10-17', Statement }] });
  const { env } = aws.principal({ name: 'somebody', role: reader });

  const status = [
    ...['--import', 'tsx', 'lambda/cli.ts', 'status', '--config', file],
    '--page',
    '--expires-in',
    '30m',
  ];
  const { stdout } = await promisify(execFile)(process.execPath, status, { env: { ...process.env, ...env } });
  const link = new URL(stdout.trim());
  const ask = async (change: (url: URL) => void = () => undefined) => {
    const url = new URL(link);
    change(url);
    const answer = await fetch(url);
    return `${answer.status} ${/<Code>(\w+)/.exec(await answer.text())?.[1] ?? ''}`;
  };

  assert.ok(link.searchParams.has('X-Amz-Security-Token'), 'of a session of a role');
  assert.equal(await ask(), '200 ', link.href);
  assert.equal(aws.calls.at(-1)?.operation, 'GetObject');
  const longer = await ask((url) => url.searchParams.set('X-Amz-Expires', '604800'));
  const another = await ask((url) => {
    url.pathname = '/certs/issuer/signing-key.json';
  });
  const tokenless = await ask((url) => url.searchParams.delete('X-Amz-Security-Token'));
  passedMs = HOUR_MS / 2 + 1000;
  const late = await ask();

  assert.deepEqual(
    { longer, another, tokenless, late },
    {
      ...{ longer: '403 SignatureDoesNotMatch', another: '403 SignatureDoesNotMatch' },
      ...{ tokenless: '400 InvalidToken', late: '403 AccessDenied' },
    },
  );
});
