// `pemfleet replace`, `drill` and `timer` over a directory: what they ask for, what they say, and what they refuse.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { codeOf, messageOf } from '#contract/errors.ts';
import { certificateName, fleetName, layout } from '#contract/layout.ts';
import { openBucket } from '#storage/open.ts';
import type { Command } from '../../../lambda/commands/command.ts';
import { parseArguments } from '../../../lambda/commands/line/options.ts';
import { drillCommand } from '../../../lambda/commands/replacement/drill.ts';
import { replaceCommand } from '../../../lambda/commands/replacement/replace.ts';
import { timerCommand } from '../../../lambda/commands/schedule/timer.ts';
import { statusCommand } from '../../../lambda/commands/status.ts';
import { writeHold } from '../../../lambda/hold/holds.ts';
import { Publisher } from '../../../lambda/publication/publisher.ts';
import { readRequests } from '../../../lambda/replacement/requests.ts';
import { openSigningKey } from '../../../lambda/signing/signing-key.ts';
import { publisherOptions } from '../../../lambda/upgrade/along.ts';
import { entryFor } from '../../support/agent/publish.ts';
import { DIRECTORY_URL, makeEntry } from '../../support/issuer/documents.ts';
import { createPki } from '../../support/parts/pki.ts';
import { tempDir } from '../../support/temp-dir.ts';

const pki = await createPki();
const fleet = fleetName.parse('default');
const NAMES = ['a', 'b', 'c', 'd'];
const COMMANDS: Readonly<Record<string, Command>> = {
  replace: replaceCommand,
  drill: drillCommand,
  timer: timerCommand,
  status: statusCommand,
};

/** Four certificates are configured and published, and one is published only. */
async function stage(t: TestContext, settings: object = {}) {
  const dir = tempDir(t);
  const url = pathToFileURL(join(dir, 'bucket')).href;
  const [file, bucket] = [join(dir, 'pemfleet.yaml'), await openBucket(url)];
  const acme = { directoryUrl: DIRECTORY_URL, termsOfServiceAgreed: true };
  const certificates = NAMES.map((name) => ({ name, identifiers: [`${name}.test`] }));
  writeFileSync(file, JSON.stringify({ bucket: url, acme, certificates, ...settings }));
  const signing = await openSigningKey(bucket, { fleets: [fleet] });
  const options = publisherOptions(bucket, signing, () => new Date());
  const serials: string[] = [];
  for (const name of [...NAMES, 'gone']) {
    const names = [`${name}.test`];
    const { combined } = await pki.issue({ names });
    const entry = makeEntry({ ...entryFor(combined, names), issued: makeEntry().issued });
    const [pem] = entry.pems;
    await new Publisher(bucket, fleet, options).publish(certificateName.parse(name), entry, [
      { sha256: pem?.sha256 ?? '', text: combined },
    ]);
    serials.push(pem?.serial ?? '');
  }
  const run = async (command: string, ...args: string[]) => {
    const printed: string[] = [];
    const write = (text: string | Uint8Array) => printed.push(String(text)) > 0;
    const mocks = [process.stderr, process.stdout].map((stream) => t.mock.method(stream, 'write', write));
    const status = await (async () => {
      const { values, positionals } = parseArguments([command, ...args, '--config', file]);
      return COMMANDS[command]?.(values, positionals.slice(1));
    })().catch((error: unknown) => `${(error as Error).name}: ${codeOf(error)} ${messageOf(error)}`);
    for (const mock of mocks) mock.mock.restore();
    return { status, text: printed.join('') };
  };
  return { dir, bucket, run, serials };
}

test('all at once wants --yes; then it is asked for, once, with progress and estimate, until it is cancelled', async (t) => {
  const { bucket, run } = await stage(t);

  const dry = await run('replace', '--all', '--dry-run');
  const held = await run('replace', '--all');
  const nothing = await readRequests(bucket);
  const done = await run('replace', '--all', '--yes', '--reason', 'keys are known');
  const again = await run('replace', '--all', '--yes');
  const status = await run('status');
  const progress = await run('replace', '--json');
  const [request, ...others] = await readRequests(bucket);
  const cancelled = await run('replace', '--cancel');
  const after = await run('replace');

  assert.deepEqual([dry.status, nothing, done.status], [0, [], 0]);
  assert.match(
    dry.text,
    /^1 certificates are published and not configured.*\n4 of 4 certificates would be replaced/,
  );
  assert.match(
    String(held.status),
    /^CommandRefused: ERR_REFUSED 4 of 4 certificates would be replaced: --yes asks for it/,
  );
  assert.match(
    done.text,
    /all certificates, asked for at .* \(keys are known\): 0 done, 4 left, 0 of them failing\nestimate: the last one in 30 min, at 20/,
  );
  assert.deepEqual(
    [request?.scope, request?.certificates, request?.reason, others],
    [{ all: true }, 4, 'keys are known', []],
  );
  assert.match(again.text, /asked for already, at 20.*: what was replaced since is not replaced again/);
  assert.match(
    status.text,
    /note: replacing all certificates: 0 done, 4 left, 0 of them failing; the last one in 30 min/,
  );
  assert.match(progress.text, /"covered": 4,/);
  assert.match(cancelled.text, /all requests are ended/);
  assert.deepEqual([await readRequests(bucket), after.status], [[], 0]);
  assert.match(after.text, /no replacement is asked for/);
});

test('what an operator holds is named, with its reason, as plan names it', async (t) => {
  const { bucket, run } = await stage(t);
  const word = { at: new Date().toISOString(), reason: 'old phones', by: 'a test' };
  const until = '2999-01-02T03:04:00.000Z';
  for (const [name, more] of [
    ['b', {}],
    ['c', { until }],
    ['d', { until: '2020-01-01T00:00:00.000Z' }],
  ] as const) {
    await writeHold(bucket, { certificate: certificateName.parse(name) }, { ...word, ...more });
  }

  const asked = await run('replace', '--all', '--yes');
  const progress = await run('replace', '--json');
  await writeHold(bucket, { fleet }, word);
  const fleetHeld = await run('replace', '--all', '--dry-run');

  assert.match(
    asked.text,
    /^held, and not replaced until then: b until \S+ \S+ \(old phones\), c until \S+ \S+ \(old phones\); pemfleet hold shows all/m,
  );
  const { held } = JSON.parse(
    progress.text.slice(progress.text.indexOf('{'), progress.text.lastIndexOf('}') + 1),
  );
  assert.deepEqual(
    held.map((one: object) => [...Object.keys(one), ...Object.values(one).slice(0, 2)].join(' ')),
    ['certificate reason until b old phones', 'certificate reason until c old phones'],
  );
  assert.match(fleetHeld.text, /^held, .*: a until .*, b until .*, c until .*, d until /m);
});

test('a file of serials: only those that are in force here are asked for', async (t) => {
  const { dir, bucket, run, serials } = await stage(t);
  const file = join(dir, 'revoked.txt');
  writeFileSync(file, `${serials[1]?.toLowerCase()} b.test\n00FF\n${'ab'.repeat(10)}\n`);

  const { status, text } = await run('replace', '--serial-file', file, '--json');

  assert.equal(status, 0);
  assert.match(text, /1 of 3 serials are in force here; not in force here: FF, ABABABABABABABABABAB\n/);
  const document = JSON.parse(text.slice(text.indexOf('{'), text.lastIndexOf('}') + 1));
  assert.deepEqual([document.covered, document.requests[0].left, document.estimate.replaced], [1, 1, 1]);
  const [request] = await readRequests(bucket);
  assert.deepEqual(request?.scope, { serials: [serials[1]?.replace(/^0+/, '')] });
});

test('by CA and by time: both have to hold; another CA means nothing', async (t) => {
  const { bucket, run } = await stage(t);

  const other = await run('replace', '--ca', 'letsencrypt', '--yes');
  const before = await readRequests(bucket);
  await run(
    'replace',
    '--ca',
    DIRECTORY_URL.toUpperCase().replace('/DIRECTORY', '/directory'),
    '--issued-before',
    '2099-01-01',
  );
  const { status } = await run(
    'replace',
    ...['--ca', DIRECTORY_URL.replace('https', 'HTTPS'), '--yes'],
    ...['--issued-before', new Date().toISOString()],
  );

  assert.deepEqual([other.status, before, status], [0, [], 0]);
  assert.match(other.text, /nothing that is published is meant/);
  const [request] = await readRequests(bucket);
  assert.equal(request?.scope.directoryUrl, DIRECTORY_URL);
});

for (const [says, args, message] of [
  ['all, and less than all', ['--all', '--ca', 'letsencrypt'], /--all stands alone/],
  ['a CA that is none', ['--ca', 'http://x/'], /--ca wants the https/],
  ['no time', ['--issued-before', 'yesterday'], /--issued-before wants a time in UTC/],
  ['a day that is not there', ['--issued-before', '2026-13-41'], /--issued-before wants a time in UTC/],
  ['a time that is to come', ['--issued-before', '2099-01-01'], /wants a time that is over/],
  ['a dry run of nothing', ['--dry-run'], /replace wants --all/],
  ['a reason for nothing', ['--reason', 'x'], /replace wants --all/],
  ['an end of some', ['--cancel', '--all'], /--cancel ends all requests/],
  ['a book as a reason', ['--all', '--yes', '--reason', 'x'.repeat(501)], /at most 500 characters/],
  ['an option of others', ['--all', '--force-renewal'], /is an option of/],
] as const) {
  test(`refused: ${says}`, async (t) => {
    const { bucket, run } = await stage(t);

    const { status } = await run('replace', ...args);

    assert.match(String(status), message);
    assert.equal(await bucket.get(layout.replacements), undefined);
  });
}

test('a document that nobody can read: said so by replace and status, and cancelled', async (t) => {
  const { bucket, run } = await stage(t);
  await bucket.put(layout.replacements, 'broken');

  const shown = await run('replace');
  const status = await run('status');
  const cancelled = await run('replace', '--cancel');

  assert.match(String(shown.status), /ERR_REPLACE_REQUEST/);
  assert.match(status.text, /unknown: what is to be replaced early is unknown: ERR_REPLACE_REQUEST/);
  assert.deepEqual([cancelled.status, await readRequests(bucket)], [0, []]);
});

test('drill: each configured CA, as text and as JSON; nothing is asked for', async (t) => {
  const fallback = [{ directoryUrl: 'letsencrypt', termsOfServiceAgreed: true }];
  const { bucket, run } = await stage(t, { fallback });

  const text = await run('drill');
  const json = await run('drill', '--json', '--order-seconds', '60');

  assert.equal(text.status, 0);
  assert.match(
    text.text,
    /^all certificates: 4 of 4 would be replaced\nhttps:\/\/ca\.test\/directory: all 4 replaced after 30 min/,
  );
  assert.match(text.text, /\nhttps:\/\/acme-v02\.api\.letsencrypt\.org\/directory: all 4 replaced/);
  const { cas } = JSON.parse(json.text);
  assert.deepEqual([cas.length, cas[0].replaced, cas[0].passes], [2, 4, 1]);
  assert.match(String((await run('drill', '--order-seconds', '0')).status), /wants 0\.1 to 600/);
  assert.equal(await bucket.get(layout.replacements), undefined);
});

test('timer: what is published counts, too', async (t) => {
  const { run } = await stage(t, { wakeMinutes: 120 });

  const long = await run('timer');

  assert.equal(long.status, 0);
  assert.match(long.text, /\[Timer\]\n.*\nOnCalendar=\nOnCalendar=0\/2:07\n/);
});
