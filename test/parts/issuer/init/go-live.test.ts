// go-live: from staging to production where all is green, and of pemfleet.yaml that word alone changes.
import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { layout } from '#contract/layout.ts';
import { readTrail } from '../../../../lambda/audit/read.ts';
import { directoryNamed } from '../../../../lambda/config/known-cas.ts';
import { recordedChange, saveCopies, writeRecord } from '../../../../lambda/init/apply/record.ts';
import { STAGING_COMMENT } from '../../../../lambda/init/documents.ts';
import { asRoot, NOBODY, ownersBelow, typeAs, typeAsRoot } from '../../../support/as-root.ts';
import { makeGreenBucket, reportHost } from '../../../support/init/green-bucket.ts';
import { fleet } from '../../../support/issuer/documents.ts';
import { called } from '../../../support/issuer/operator.ts';
import { issuerProgram } from '../../../support/issuer/program.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const program = issuerProgram();
chmodSync(dirname(program), 0o755);

/** As init writes it, with what people add. */
const document = (bucket: string) => `# ours
bucket: ${bucket}
acme:
  # Browsers do not trust its certificates.
  directoryUrl: letsencrypt-staging # for now
  termsOfServiceAgreed: true
certificates:
  - identifiers: [a.test]
`;

/** @param from directory of the CA of what is in force */
async function stage(t: TestContext, text: (bucket: string) => string = document, from?: string) {
  const dir = tempDir(t);
  const bucket = await makeGreenBucket(join(dir, 'bucket'), from);
  const file = join(dir, 'pemfleet.yaml');
  const before = text(bucket.url);
  writeFileSync(file, before, { mode: 0o640 });
  const goLive = (...words: string[]) => called(t, ['go-live', ...words, '--config', file]);
  return { dir, bucket, file, before, goLive, now: () => readFileSync(file, 'utf8') };
}

test("go-live takes init's comment on staging out, and init --undo still takes all back", async (t) => {
  const { dir, before, goLive, now, file } = await stage(t, (bucket) =>
    document(bucket).replace('  # Browsers do not trust its certificates.\n', STAGING_COMMENT),
  );
  const directory = join(dir, 'init');
  const state = { path: file, body: Buffer.from(before), mode: 0o644, uid: process.getuid?.() ?? 0, gid: 0 };
  const { change: written, copies } = recordedChange(1, state, undefined);
  const change = { ...written, isHaproxy: false };
  const rest = { directories: [], statsSocket: '/none', hasDropIns: false };
  await writeRecord(directory, { version: 1, runs: [{ number: 1, at: 'now', changes: [change], ...rest }] });
  await saveCopies(directory, copies);

  const live = await goLive();

  assert.equal(live.status, 0, live.stderr);
  assert.equal(now(), before.replace(STAGING_COMMENT, '').replace('letsencrypt-staging', 'letsencrypt'));
  const undone = await called(t, ['init', '--undo', '--config', file]);
  assert.deepEqual([undone.status, existsSync(file)], [0, false], undone.stderr);
});

test('go-live changes the one word, says how a pass starts, and has nothing to do a second time', async (t) => {
  const { bucket, before, goLive, now } = await stage(t);

  const planned = await goLive('--dry-run');
  assert.deepEqual([planned.status, now()], [0, before], planned.stderr);
  assert.match(
    planned.stdout,
    /^- {2}directoryUrl: letsencrypt-staging # for now\n\+ {2}directoryUrl: letsencrypt # for now$/m,
  );
  const live = await goLive();

  assert.equal(live.status, 0, live.stderr);
  assert.equal(now(), before.replace('letsencrypt-staging', 'letsencrypt'));
  assert.match(live.stdout, /^next:\n {2}sudo systemctl start pemfleet/m);
  const again = await goLive();
  assert.deepEqual(
    [again.status, again.stdout.includes('names no staging CA: nothing to change')],
    [0, true],
  );
  const lines = (await readTrail(bucket)).lines;
  assert.deepEqual(
    lines.filter(({ action }) => action === 'went-live').map(({ reason }) => reason),
    ['https://acme-v02.api.letsencrypt.org/directory'],
  );
});

test('where production is in force already, after init --undo and init, there is nothing to try with staging first', async (t) => {
  const { bucket, before, goLive, file, now } = await stage(t, document, directoryNamed('letsencrypt'));
  const status = await called(t, ['status', '--config', file]);

  const planned = await goLive('--dry-run');
  await reportHost(bucket, 'failed');
  const broken = await goLive();
  await reportHost(bucket, 'served');
  const live = await goLive();

  assert.match(status.stdout, /ERR_CA_UNTRUSTED .* staging environment, .* pemfleet go-live names a CA/);
  assert.deepEqual([planned.status, broken.status, live.status], [0, 1, 0], broken.stdout + live.stdout);
  assert.doesNotMatch(broken.stdout, /ERR_CA_UNTRUSTED/, 'what go-live itself heals is no obstacle');
  assert.match(live.stdout, /browsers trust a certificate that is in force already/);
  assert.equal(now(), before.replace('letsencrypt-staging', 'letsencrypt'));
  assert.equal((await called(t, ['status', '--config', file])).status, 0);
});

test('go-live --json is one document: planned, changed, unchanged', async (t) => {
  const { goLive } = await stage(t);
  const results: unknown[] = [];

  for (const words of [['--dry-run'], [], []]) {
    const { status, stdout } = await goLive('--json', ...words);
    const { version, result, pass } = JSON.parse(stdout) as Record<string, unknown>;
    results.push([status, version, result, pass]);
  }

  assert.deepEqual(results, [
    [0, 1, 'planned', 'not started'],
    [0, 1, 'changed', 'not started'],
    [0, 1, 'unchanged', 'not started'],
  ]);
});

test('go-live is refused with what is not green, and changes nothing', async (t) => {
  const { bucket, before, goLive, now } = await stage(t);
  const status = layout.status(fleet, 'lb1' as never);

  await reportHost(bucket, 'failed');
  const failed = await goLive();
  await bucket.delete(status);
  const empty = await goLive('--json');

  assert.equal(failed.status, 1);
  assert.match(failed.stdout, /ERR_X|broken/);
  assert.match(failed.stderr, /wants a green "pemfleet status".*nothing was changed/);
  const { result, problems } = JSON.parse(empty.stdout) as { result: string; problems: { code: string }[] };
  assert.deepEqual([empty.status, result], [1, 'refused']);
  assert.ok(
    problems.some(({ code }) => code === 'no-host'),
    empty.stdout,
  );
  assert.equal(now(), before);
  assert.deepEqual((await readTrail(bucket)).lines, []);
});

const ROWS: readonly {
  says: string;
  text: (bucket: string) => string;
  words?: string[];
  to?: [from: string, word: string][];
}[] = [
  {
    says: 'ends of lines of Windows, and a byte order mark',
    text: (bucket) => `\uFEFF${document(bucket).replaceAll('\n', '\r\n')}`,
  },
  {
    says: 'JSON',
    text: (bucket) =>
      JSON.stringify({
        bucket,
        acme: { directoryUrl: 'letsencrypt-staging', termsOfServiceAgreed: true },
        certificates: [{ identifiers: ['a.test'] }],
      }),
  },
  {
    says: 'quotes',
    text: (bucket) => document(bucket).replace('letsencrypt-staging', "'letsencrypt-staging'"),
  },
  {
    says: 'the URL in place of the word',
    text: (bucket) =>
      document(bucket).replace(
        'letsencrypt-staging',
        'https://acme-staging-v02.api.letsencrypt.org/directory',
      ),
    to: [['https://acme-staging-v02.api.letsencrypt.org/directory', 'letsencrypt']],
  },
  {
    says: 'a fallback, anchors and aliases',
    text: (bucket) =>
      `${document(bucket).replace('letsencrypt-staging', '&ca letsencrypt-staging').replace('  termsOf', '  contact: &mail ["mailto:ops@a.test"]\n  termsOf')}fallback:
  - { directoryUrl: "https://dv.acme-v02.test-api.pki.goog/directory", contact: *mail, termsOfServiceAgreed: true }
`,
    to: [
      ['letsencrypt-staging', 'letsencrypt'],
      ['https://dv.acme-v02.test-api.pki.goog/directory', 'google'],
    ],
  },
];

for (const { says, text, to = [['letsencrypt-staging', 'letsencrypt']] } of ROWS) {
  test(`go-live leaves all else of the file as it is: ${says}`, async (t) => {
    const { before, goLive, now } = await stage(t, text);
    const live = await goLive();

    assert.equal(live.status, 0, live.stderr);
    const wanted = to.reduce((whole, [from = '', word = '']) => whole.replace(from, word), before);
    assert.equal(now(), wanted);
  });
}

test('a link to the configuration stays one, and the mode of the file is as before', async (t) => {
  const { dir, file, before, now } = await stage(t);
  const link = join(dir, 'link.yaml');
  symlinkSync('pemfleet.yaml', link);

  const { status, stderr } = await called(t, ['go-live', '--config', link]);

  assert.equal(status, 0, stderr);
  assert.deepEqual([lstatSync(link).isSymbolicLink(), statSync(file).mode & 0o777], [true, 0o640]);
  assert.notEqual(now(), before);
});

const privateCa = (bucket: string) =>
  document(bucket).replace('letsencrypt-staging', 'https://ca.corp.test/directory\n  caFile: /etc/ca.pem');

test('a private CA has no production: go-live changes nothing, and refuses to send its caFile to a public one', async (t) => {
  const { before, goLive, now } = await stage(t, privateCa);

  const nothing = await goLive();
  const named = await goLive('--ca', 'letsencrypt');
  const wrong = await goLive('--ca', 'http://ca.test/directory');

  assert.deepEqual([nothing.status, /nothing to change/.test(nothing.stdout)], [0, true]);
  assert.match(
    String(named.status),
    /ConfigError ERR_CONFIG .*caFile names the trust anchors of a private CA/,
  );
  assert.match(String(wrong.status), /UsageError .*--ca wants letsencrypt, google, zerossl or an https/);
  assert.equal(now(), before);
});

test('go-live --ca takes another CA; the bucket of the command line counts', async (t) => {
  const { bucket, before, goLive, now } = await stage(t, (url) => document(url).replace(/^bucket.*\n/m, ''));

  const { status, stderr } = await goLive('--ca', 'zerossl', '--bucket', bucket.url);

  assert.equal(status, 0, `${status}${stderr}`);
  assert.equal(now(), before.replace('letsencrypt-staging', 'zerossl'));
});

async function rootStage(t: TestContext) {
  const staged = await stage(t);
  chmodSync(staged.dir, 0o755);
  chmodSync(staged.file, 0o644);
  asRoot('chown', '-R', `${NOBODY}:${NOBODY}`, join(staged.dir, 'bucket'));
  const words = (...node: string[]) => [
    process.execPath,
    ...node,
    program,
    'go-live',
    '--config',
    staged.file,
  ];
  const owners = () => ownersBelow(join(staged.dir, 'bucket'));
  return { ...staged, words, owners };
}

test("typed as root where the bucket is another user's: the file is changed, and nothing of root's is in the bucket", async (t) => {
  const { words, before, now, owners } = await rootStage(t);

  const other = typeAs(NOBODY, words());
  const typed = typeAsRoot(words());

  assert.equal(other.status, 77, other.stderr);
  assert.match(
    other.stderr,
    /go-live writes \S+pemfleet\.yaml, and this user may not.*sudo pemfleet go-live --config/,
  );
  assert.equal(typed.status, 0, typed.stderr);
  assert.equal(now(), before.replace('letsencrypt-staging', 'letsencrypt'));
  assert.deepEqual([...new Set(owners().values())], [NOBODY]);
  assert.ok([...owners().keys()].some((path) => /issuer\/audit\/\d/.test(path)));
});

test("where Node lets nobody change the user (Debian 13's), the file is changed, and what has no line in the trail is said", async (t) => {
  const { dir, words, before, now, owners } = await rootStage(t);
  const refuse = join(dir, 'refuse.mjs');
  writeFileSync(
    refuse,
    "process.setgroups = () => { throw Object.assign(new Error('no'), { code: 'ERR_INVALID_STATE' }); };",
  );

  const { status, stderr } = typeAsRoot(words('--import', refuse));

  assert.equal(status, 0, stderr);
  assert.match(stderr, /^the audit trail has no line of this: Node on this machine lets nobody write/);
  assert.notEqual(now(), before);
  assert.deepEqual([...new Set(owners().values())], [NOBODY]);
});
