// `pemfleet`, typed as root or as somebody else, in a bucket that is another user's directory.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { asRoot, NOBODY, ownersBelow, typeAs, typeAsRoot } from '../../support/as-root.ts';
import { makeTempDir } from '../../support/temp-dir.ts';

const place = makeTempDir();
chmodSync(place.path, 0o755);
after(place.remove);
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
    // Nobody listens there, and no resolver either: an order fails, and its record is written.
    dns: { resolvers: ['127.0.0.1:1'] },
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

test("a FILE that a command writes is root's, in root's own directory: a command that is refused makes none, and changes none", (t) => {
  const { dir, bucket, words } = stage(t);
  typeAsRoot(words('run'));
  const home = join(dir, 'home');
  asRoot('install', '-d', '-m', '0700', home);
  const [file, theirs] = [join(home, 'new'), join(home, 'theirs')];
  const refused: { args: (file: string) => string[]; status: number; theirStatus?: number }[] = [
    { args: (out) => ['status', '--html', out, '--fleet', 'nowhere'], status: 64 },
    { args: (out) => ['export', 'www.test', '--key', out, '--force'], status: 1 },
    {
      args: (out) => ['key', 'recovery-key', '--out', out, '--recovery-key', '/dev/null'],
      status: 1,
      // A key goes into no file of another user.
      theirStatus: 78,
    },
  ];

  for (const { args, status, theirStatus = status } of refused) {
    asRoot('install', '-m', '0640', '-o', '4242', '/etc/hostname', theirs);
    for (const out of [file, theirs]) {
      const typed = typeAsRoot(words(...args(out)));
      const wanted = out === file ? status : theirStatus;
      assert.equal(typed.status, wanted, `${args(out).join(' ')}: ${typed.stderr}`);
    }
    assert.equal(asRoot('ls', '-A', home).trim(), 'theirs', args(file).join(' '));
    assert.equal(asRoot('cat', theirs), readFileSync('/etc/hostname', 'utf8'));
  }

  const [page, link] = [/^<!doctype html>.*<\/html>\n$/s, '/dev/stdout'];
  for (const out of [file, theirs]) {
    const { status, stderr } = typeAsRoot(words('status', '--html', out));
    assert.equal(status, 1, stderr);
    assert.match(asRoot('cat', out), page);
  }
  const piped = typeAsRoot(['sh', '-c', '"$@" | cat', 'sh', ...words('status', '--html', link)]);
  assert.match(piped.stdout, page, piped.stderr);
  assert.equal(asRoot('stat', '-c', '%u %a', file).trim(), '0 644');
  assert.equal(asRoot('stat', '-c', '%u %a', theirs).trim(), '4242 640');
  assert.equal(asRoot('stat', '-c', '%F', link).trim(), 'symbolic link');
  assert.deepEqual([...new Set(ownersBelow(bucket).values())], [NOBODY]);
});

test('a recovery key goes into no file that others can read or have put there', (t) => {
  const { dir, words } = stage(t);
  typeAsRoot(words('run'));
  const made = (out: string) => typeAsRoot(words('key', 'recovery-key', '--out', out));
  const [open, foreign, twice] = ['open', 'foreign', 'twice'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  asRoot('install', '-m', '0644', '/dev/null', open);
  asRoot('install', '-m', '0666', '-o', '4242', '/dev/null', foreign);
  asRoot('install', '-m', '0600', '/dev/null', twice);
  asRoot('ln', twice, join(dir, 'second-name'));

  for (const file of [foreign, twice]) {
    const { status, stderr } = made(file);
    assert.equal(status, 78, stderr);
    assert.match(stderr, /wanted a new file, saw one of another user, with a second name/);
    assert.equal(asRoot('cat', file), '');
  }
  assert.equal(made(open).status, 0);
  assert.equal(asRoot('stat', '-c', '%u %a', open).trim(), '0 600');
});

test('a machine on which root runs everything: nothing changes, and nothing is said', (t) => {
  const { bucket, words } = stage(t);
  asRoot('chown', '0:0', bucket);

  const { stderr } = typeAsRoot(words('run'));

  assert.doesNotMatch(stderr, /goes on as/);
  assert.deepEqual([...new Set(ownersBelow(bucket).values())], [0]);
});

const document = (stdout: string) =>
  JSON.parse(stdout) as { findings: { id: string; seen: string; fix: string }[] };

test("doctor names root's files and what others may read, --fix mends exactly those, and the pass works again", (t) => {
  const { dir, bucket, words } = stage(t);
  typeAsRoot(words('run'));
  // As a run of root's has left them, before the commands went on as the owner.
  asRoot('chown', '0:0', join(bucket, 'issuer/signing-key.json'), join(bucket, 'issuer'));
  asRoot('chmod', '0644', join(bucket, 'issuer/ca-state.json'));
  // Not to be touched: what only has a name here.
  const outside = join(dir, 'outside.json');
  writeFileSync(outside, 'theirs', { mode: 0o644 });
  asRoot('ln', outside, join(bucket, 'issuer/hard.json'));
  asRoot('ln', '-s', outside, join(bucket, 'issuer/soft.json'));
  const blocked = typeAs(NOBODY, words('run'));
  assert.match(blocked.stderr, /ERR_BUCKET_DENIED/);

  const seen = document(typeAsRoot(words('doctor', '--json')).stdout).findings;
  const [foreign, open] = ['files-foreign', 'files-open'].map((id) => seen.find((one) => one.id === id));
  assert.match(
    foreign?.seen ?? '',
    /issuer \(root, 0700\), \S+hard\.json \(root, 0644\), \S+signing-key\.json \(root, 0600\)$/,
  );
  assert.match(open?.seen ?? '', /ca-state\.json \(\S+, 0644\)/);
  const before = ownersBelow(bucket);
  const dry = typeAsRoot(words('doctor', '--fix', '--dry-run'));
  assert.match(dry.stderr, /^would mend: \S+signing-key\.json: owner /m);
  assert.deepEqual(ownersBelow(bucket), before);

  const fixed = typeAsRoot(words('doctor', '--fix', '--json'));

  assert.match(fixed.stderr, /^mended: \S+signing-key\.json: owner /m);
  assert.match(fixed.stderr, /^mended: \S+ca-state\.json: mode 0600$/m);
  assert.match(fixed.stderr, /^not mended: \S+hard\.json: \S+ has 2 names/m);
  assert.equal(asRoot('stat', '-c', '%u %a', outside).trim(), `${process.getuid?.() ?? 0} 644`);
  asRoot('rm', join(bucket, 'issuer/hard.json'), join(bucket, 'issuer/soft.json'));
  const left = document(typeAsRoot(words('doctor', '--json')).stdout).findings.map(({ id }) => id);
  assert.deepEqual(
    left.filter((id) => id.startsWith('files-')),
    [],
  );
  assert.match(typeAs(NOBODY, words('run')).stderr, /ERR_ACME_UNREACHABLE/);
});

test("doctor --fix leaves a directory alone that holds more than the bucket's, and says why; lost+found is nobody's", (t) => {
  const { bucket, words } = stage(t);
  asRoot('mkdir', '-m', '0700', join(bucket, 'lost+found'));
  assert.equal(typeAsRoot(words('run')).status, 1, 'an order fails, no right is missing');
  for (const name of ['issuer/ca-state.json', 'mysql/users.ibd']) {
    asRoot('install', '-D', '-m', '0644', '/dev/null', join(bucket, name));
  }
  const before = ownersBelow(bucket);

  const fixed = typeAsRoot(words('doctor', '--fix', '--json'));

  const { seen = '', fix = '' } =
    document(fixed.stdout).findings.find(({ id }) => id === 'files-foreign') ?? {};
  assert.match(seen, /ca-state\.json \(root, 0644\)$/);
  assert.match(
    fix,
    /left as they are, for \S+bucket holds mysql, which is not pemfleet's: give bucket a dir/,
  );
  const after = ownersBelow(bucket);
  assert.deepEqual(new Map([...before.keys()].map((path) => [path, after.get(path)])), before);
  assert.doesNotMatch(fixed.stderr, /mended: \S+bucket/);
});

test('doctor: a CA out of reach, a name without an address, a secret for all to read, no directory', (t) => {
  const { dir, bucket, words } = stage(t);
  const secret = join(dir, 'hmac');
  writeFileSync(secret, 'c2VjcmV0', { mode: 0o644 });
  const file = join(dir, 'pemfleet.yaml');
  const config = JSON.parse(readFileSync(file, 'utf8')) as { acme: object };
  const binding = { kid: 'k', hmacKeyFile: secret };
  writeFileSync(
    file,
    JSON.stringify({ ...config, acme: { ...config.acme, externalAccountBinding: binding } }),
  );

  const seen = typeAsRoot(words('doctor', '--json'));

  assert.equal(seen.status, 1, seen.stderr);
  const ids = document(seen.stdout).findings.map(({ id }) => id);
  for (const id of ['secret-open', 'check-account']) assert.ok(ids.includes(id), `${id}: ${seen.stdout}`);
  const fixed = typeAsRoot(words('doctor', '--json', '--fix'));
  const left = document(fixed.stdout).findings.map(({ id }) => id);
  assert.ok(!left.includes('secret-open') && !left.includes('secret-denied'), fixed.stdout);
  assert.equal(asRoot('stat', '-c', '%a', secret).trim(), '640');

  asRoot('rm', '-r', bucket);
  assert.match(typeAsRoot(words('doctor')).stdout, /^warning {2}bucket-missing: \S+ does not exist/m);
  assert.equal(typeAs(4242, words('doctor', '--fix')).status, 77);
});

test("a Node that lets nobody change the user (Debian 13's): the command is started again by setpriv", (t) => {
  const { dir, bucket, words } = stage(t);
  const preload = join(dir, 'refuse.mjs');
  const refuse = `const refuse = () => { throw Object.assign(new Error('disabled'), { code: 'ERR_INVALID_STATE' }); };
Object.assign(process, { initgroups: refuse, setgroups: refuse, setgid: refuse, setuid: refuse });`;
  writeFileSync(preload, refuse);
  const typed = (...args: string[]) => {
    const [node = '', ...rest] = words(...args);
    return typeAsRoot([node, '--import', preload, ...rest]);
  };
  const home = join(dir, 'home');
  asRoot('install', '-d', '-m', '0700', home);

  const ran = typed('run');
  const out = join(home, 'recovery.json');
  const made = typed('key', 'recovery-key', '--out', out);
  const checked = typed('doctor', '--fix', '--json');

  assert.equal(ran.status, 1, ran.stderr);
  assert.match(ran.stderr, /goes on as[\s\S]*ERR_ACME_UNREACHABLE/);
  assert.equal(made.status, 0, made.stderr);
  assert.equal(asRoot('stat', '-c', '%u %a', out).trim(), '0 600');
  assert.match(asRoot('cat', out), /PRIVATE KEY/);
  assert.equal(checked.status, 1, checked.stderr);
  assert.equal(
    document(checked.stdout).findings.some(({ id }) => id === 'check-account'),
    true,
  );
  assert.deepEqual([...new Set(ownersBelow(bucket).values())], [NOBODY]);
});
