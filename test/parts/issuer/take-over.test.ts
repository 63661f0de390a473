// `pemfleet take-over` over a directory: whose configuration counts from then on.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { codeOf } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import { parseArguments } from '../../../lambda/commands/line/options.ts';
import { takeOverCommand } from '../../../lambda/commands/take-over.ts';
import { configDigest } from '../../../lambda/identity/config-digest.ts';
import { enterAsWriter } from '../../../lambda/identity/writers.ts';
import { DIRECTORY_URL, makeConfig } from '../../support/issuer/documents.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('take-over names who stops; --dry-run changes nothing; the new configuration is let in, the old one is not', async (t) => {
  const dir = tempDir(t);
  const url = pathToFileURL(join(dir, 'bucket')).href;
  const [file, bucket] = [join(dir, 'pemfleet.yaml'), await openBucket(url)];
  const certificates = [{ identifiers: ['a.test'] }];
  const acme = { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true };
  writeFileSync(file, JSON.stringify({ bucket: url, acme, certificates }));
  const before = { identity: { id: 'old', label: 'the old issuer' }, config: 'f'.repeat(64) };
  const next = {
    identity: { id: 'new', label: 'the new one' },
    config: configDigest(makeConfig(certificates)),
  };
  await enterAsWriter(bucket, before, new Date());
  const run = async (...args: string[]) => {
    const printed: string[] = [];
    const mock = t.mock.method(process.stderr, 'write', (text: string) => printed.push(text) > 0);
    const status = await takeOverCommand(parseArguments([...args, '--config', file]).values, []);
    mock.mock.restore();
    return { status, text: printed.join('') };
  };
  const stored = async () => (await bucket.get(layout.writers))?.etag;
  const first = await stored();

  const dry = await run('--dry-run');
  const between = await stored();
  const done = await run();

  assert.deepEqual([dry.status, done.status, between], [0, 0, first]);
  assert.match(
    dry.text,
    /would count on file:.*\nwould stop until it has the same pemfleet\.yaml: the old issuer/,
  );
  assert.match(
    done.text,
    /\nstops until it has the same pemfleet\.yaml: the old issuer \(configuration ffffffff, last at 20/,
  );
  await assert.rejects(
    enterAsWriter(bucket, before, new Date()),
    (error) => codeOf(error) === 'ERR_ISSUER_CONFLICT',
  );
  await enterAsWriter(bucket, next, new Date());
});
