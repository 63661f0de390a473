// `pemfleet`, typed as root or as somebody else, in a bucket that is another user's directory.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { asRoot, NOBODY, ownersBelow, typeAs, typeAsRoot } from '../../support/as-root.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const place = makeTempDir();
chmodSync(place.path, 0o755);
after(() => asRoot('rm', '-rf', place.path));
const program = join(place.path, 'pemfleet.mjs');
const banner =
  "import{createRequire as pemfleetCreateRequire}from'node:module';const require=pemfleetCreateRequire(import.meta.url);";
buildSync({
  ...{ entryPoints: ['lambda/cli.ts'], outfile: program, bundle: true, platform: 'node', target: 'node20' },
  ...{ format: 'esm', banner: { js: banner } },
});

function stage(t: TestContext) {
  const dir = join(place.path, t.name.replaceAll(/\W+/g, '-').slice(0, 40));
  const [bucket, file] = [join(dir, 'bucket'), join(dir, 'pemfleet.yaml')];
  mkdirSync(bucket, { recursive: true });
  chmodSync(dir, 0o755);
  const config = {
    bucket: pathToFileURL(bucket).href,
    // Nobody listens there: an order fails, and its record is written.
    acme: { directoryUrl: 'https://127.0.0.1:1/directory', termsOfServiceAgreed: true },
    certificates: [{ identifiers: ['www.test'] }],
  };
  writeFileSync(file, JSON.stringify(config));
  asRoot('chown', `${NOBODY}:${NOBODY}`, bucket);
  const words = (...args: string[]) => [process.execPath, program, ...args, '--config', file];
  return { dir, bucket, words };
}

test('run --force-renewal once as root leaves nothing that the service user cannot use', (t) => {
  const { bucket, words } = stage(t);

  const typed = typeAsRoot(words('run', '--force-renewal'));
  const service = typeAs(NOBODY, words('run'));

  assert.match(typed.stderr, /^pemfleet: started as root, goes on as \S+, the owner of \S+bucket\n/);
  assert.equal(typed.status, 1, typed.stderr);
  assert.deepEqual([...new Set(ownersBelow(bucket).values())], [NOBODY]);
  assert.equal(service.status, 1, service.stderr);
  assert.match(service.stderr, /ERR_ACME_UNREACHABLE/);
  assert.doesNotMatch(service.stderr, /EACCES|ERR_BUCKET_DENIED|goes on as/);
});

test("root is refused where a file of root's lies in the bucket, and nothing is changed", (t) => {
  const { bucket, words } = stage(t);
  asRoot('install', '-D', '-m', '0600', '/dev/null', join(bucket, 'issuer/ca-state.json'));
  const before = ownersBelow(bucket);

  const { status, stderr } = typeAsRoot(words('run'));

  assert.equal(status, 77, stderr);
  assert.match(
    stderr,
    /bucket belongs to \S+, but \S+issuer and 1 more in it to root: pemfleet doctor --fix/,
  );
  assert.deepEqual(ownersBelow(bucket), before);
});

test('another user is refused with the command line to type', (t) => {
  const { bucket, words } = stage(t);
  asRoot('chmod', '0700', bucket);

  for (const args of [['status'], ['run', '--only', "it's"]]) {
    const { status, stdout, stderr } = typeAs(4242, words(...args));

    assert.equal(status, 77, stdout + stderr);
    const line = args.length === 1 ? 'status' : "run --only 'it'\\\\''s'";
    assert.match(
      stderr,
      new RegExp(`bucket belongs to \\S+, and this is uid 4242: sudo pemfleet ${line} --config `),
    );
  }
});

test("files that the command line names are root's: a recovery key in root's home, a pipe", (t) => {
  const { dir, words } = stage(t);
  const home = join(dir, 'home');
  asRoot('install', '-d', '-m', '0700', home);
  typeAsRoot(words('run'));
  const out = join(home, 'recovery.json');

  const made = typeAsRoot(words('key', 'recovery-key', '--out', out));
  const again = typeAsRoot(words('key', 'recovery-key', '--out', out));
  const key = asRoot('cat', out);
  const piped = typeAsRoot([
    ...['sh', '-c', 'cat "$0" | "$@"', out],
    ...words('key', 'recover', '--recovery-key', '/dev/stdin'),
  ]);

  assert.deepEqual(
    [made.status, again.status, piped.status],
    [0, 0, 0],
    made.stderr + again.stderr + piped.stderr,
  );
  assert.equal(asRoot('stat', '-c', '%u %a', out).trim(), '0 600');
  assert.equal((JSON.parse(key) as { version: number }).version, 1);
  assert.equal(asRoot('cat', out), key);
});

test('a machine on which root runs everything: nothing changes, and nothing is said', (t) => {
  const { bucket, words } = stage(t);
  asRoot('chown', '0:0', bucket);

  const { stderr } = typeAsRoot(words('run'));

  assert.doesNotMatch(stderr, /goes on as/);
  assert.deepEqual([...new Set(ownersBelow(bucket).values())], [0]);
});
