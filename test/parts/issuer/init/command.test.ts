// `pemfleet init` as somebody types it: an unprivileged user in a directory of his own, for HAProxy as it is there or not.
import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { putRun } from '../../../../lambda/init/apply/put.ts';
import { askAsVisitors } from '../../../../lambda/init/apply/visitors.ts';
import { workersUnder } from '../../../../lambda/init/host/processes.ts';
import { programPath } from '../../../setup.mjs';
import { asRoot, NOBODY, typeAs, typeWithoutUser } from '../../../support/as-root.ts';
import { issuerProgram } from '../../../support/issuer/program.ts';
import { createPki, type Pki } from '../../../support/parts/pki.ts';
import { freePort } from '../../../support/ports.ts';
import { startPart, until } from '../../../support/process.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const program = issuerProgram();
chmodSync(dirname(program), 0o755);
const haproxy = programPath('haproxy-3.0');
const ids = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
let pki: Pki;
let today = '';

before(async () => {
  pki = await createPki();
  today = (await pki.issue({ names: ['www.example.com'] })).combined;
});

/** A host of his: configuration, certificate of today, and the words of a set-up that asks for no port 80. */
async function makeHost(t: TestContext) {
  const home = tempDir(t);
  const [https, etc, haproxyDir, bin] = [
    await freePort(),
    join(home, 'etc'),
    join(home, 'haproxy'),
    join(home, 'bin'),
  ];
  for (const path of [etc, haproxyDir, bin]) mkdirSync(path);
  const config = join(haproxyDir, 'haproxy.cfg');
  const lines = `global
    stats socket ${haproxyDir}/admin.sock mode 600 level admin
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend https
    bind 127.0.0.1:${https} ssl crt ${home}/today.pem
    http-request return status 200
`;
  writeFileSync(config, lines);
  writeFileSync(join(home, 'today.pem'), today, { mode: 0o600 });
  writeFileSync(join(home, 'ca.pem'), pki.rootPem);
  own(home);
  const file = join(etc, 'pemfleet.yaml');
  const run = (...words: string[]) =>
    typeAs(NOBODY, [
      'env',
      `PATH=${bin}:/usr/bin:/bin`,
      process.execPath,
      program,
      'init',
      '--config',
      file,
      ...words,
    ]);
  const set = ['--haproxy-config', config, '--bucket', `file://${home}/bucket`, '--challenge', 'dns-01'];
  const answers = [...set, '--yes', '--ca', 'https://ca.test/directory', '--ca-file', join(home, 'ca.pem')];
  const start = (...words: string[]) => startHaproxyOf(t, { haproxyDir, config, words });
  return { home, etc, haproxyDir, bin, https, config, lines, file, run, set, answers, start };
}

const own = (path: string) => asRoot('chown', '-R', `${NOBODY}:${NOBODY}`, path);

async function startHaproxyOf(
  t: TestContext,
  { haproxyDir, config, words }: { haproxyDir: string; config: string; words: string[] },
) {
  const part = await startPart({
    name: 'HAProxy of an unprivileged user',
    command: 'setpriv',
    args: [...ids, haproxy, ...words, '-f', config],
    probe: async () => existsSync(join(haproxyDir, 'admin.sock')),
  });
  t.after(() => part.stop());
  return part;
}

test('init without HAProxy: the dry run says how to install it; --apply is refused, its dry run too, and nothing is written', async (t) => {
  const { etc, run, answers, config, lines } = await makeHost(t);

  const dry = run(...answers, '--dry-run');
  const applied = run(...answers, '--apply');
  const dryApplied = run(...answers, '--apply', '--dry-run');

  assert.equal(dry.status, 0, dry.stderr);
  assert.match(dry.stdout, /^HAProxy {3}is not installed, does not run$/m);
  assert.match(
    dry.stdout,
    /without --dry-run writes it; with --apply in its place, HAProxy's lines go in, too$/m,
  );
  assert.equal(applied.status, 1, applied.stdout);
  assert.match(applied.stderr, /wanted haproxy.*saw no such program.*install/);
  assert.deepEqual([dryApplied.status, dryApplied.stderr], [applied.status, applied.stderr]);
  assert.deepEqual([readdirSync(etc), readFileSync(config, 'utf8')], [[], lines]);
});

test('init where HAProxy does not run, or runs without a master, puts the lines in and says who must start it', async (t) => {
  const { run, answers, config, start, bin, lines } = await makeHost(t);
  cpSync(haproxy, join(bin, 'haproxy'));

  const stopped = run(...answers, '--apply');
  const written = readFileSync(config, 'utf8');
  const undone = run('--undo');
  await start();
  const single = run(...answers, '--apply');

  assert.equal(stopped.status, 0, stopped.stderr);
  assert.match(
    stopped.stdout,
    /haproxy -c takes them\); HAProxy does not run: it reads the lines when it starts/,
  );
  assert.match(written, /ssl crt \S+today\.pem/);
  assert.notEqual(written, lines);
  assert.equal(undone.status, 0, undone.stderr);
  assert.equal(single.status, 0, single.stderr);
  assert.match(single.stdout, /runs without a master \(-W\): restart it/);
  assert.match(single.stdout, /^ {2}systemctl restart haproxy$/m);
  assert.equal(readFileSync(config, 'utf8'), written);
});

test("init says what starts pemfleet's units, and where they are on already, what starts a pass", async (t) => {
  const { run, answers, bin } = await makeHost(t);
  cpSync(haproxy, join(bin, 'haproxy'));
  const systemctl = (active: string, enabled: string) => {
    const script = `case "$*" in "is-active pemfleet.target") echo ${active};; "is-enabled pemfleet.target") echo ${enabled};; esac`;
    writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  };
  const said = (...states: [active: string, enabled: string]) => {
    systemctl(...states);
    const { stdout, status, stderr } = run(...answers, '--apply');
    assert.equal(status, 0, stderr);
    return /^ {2}systemctl (?!restart haproxy)(.*)$/m.exec(stdout)?.[1];
  };

  assert.equal(said('inactive', 'disabled'), 'enable --now pemfleet.target');
  assert.equal(said('inactive', 'enabled'), 'enable --now pemfleet.target');
  assert.equal(said('active', 'enabled'), 'restart pemfleet.target');
  assert.equal(said('active', 'disabled'), 'enable pemfleet.target && systemctl restart pemfleet.target');
});

test('init takes a directory of configurations, and changes the file that has the bind', async (t) => {
  const { run, answers, config, haproxyDir, lines, bin } = await makeHost(t);
  cpSync(haproxy, join(bin, 'haproxy'));
  const parts = join(haproxyDir, 'conf.d');
  const [head = '', tail = ''] = lines.split(/(?=^frontend)/m);
  mkdirSync(parts);
  writeFileSync(join(parts, '10-global.cfg'), head);
  writeFileSync(join(parts, '20-www.cfg'), tail);
  writeFileSync(join(parts, 'notes.txt'), 'not a configuration');
  own(parts);

  const words = answers.map((word) => (word === config ? parts : word));
  const { status, stderr } = run(...words, '--apply');

  assert.equal(status, 0, stderr);
  assert.equal(readFileSync(join(parts, '10-global.cfg'), 'utf8'), head);
  assert.notEqual(readFileSync(join(parts, '20-www.cfg'), 'utf8'), tail);
  assert.deepEqual(readdirSync(parts), ['10-global.cfg', '20-www.cfg', 'notes.txt']);
  assert.equal(run(...words).stdout.includes("HAProxy's configuration has all lines"), true);
});

test('init and a haproxy.cfg that is read-only: its mode stays; in a directory of root it is refused, and nothing is left', async (t) => {
  const { run, answers, config, haproxyDir, lines, bin, etc, home } = await makeHost(t);
  cpSync(haproxy, join(bin, 'haproxy'));
  chmodSync(config, 0o444);
  mkdirSync(join(haproxyDir, 'certs'));
  own(haproxyDir);

  const changed = run(...answers, '--apply');
  const mode = statSync(config).mode & 0o777;
  const undone = run('--undo');
  asRoot('chown', 'root:root', haproxyDir);
  const refused = run(...answers, '--apply');

  assert.deepEqual([changed.status, mode, undone.status], [0, 0o444, 0], changed.stderr + undone.stderr);
  assert.equal(refused.status, 77, refused.stderr);
  assert.match(refused.stderr, /rights that this user lacks.*sudo pemfleet init/);
  assert.deepEqual([readFileSync(config, 'utf8'), readdirSync(etc)], [lines, []]);
  assert.equal(existsSync(join(home, 'bucket')), false);
});

test('init of a user without rights is refused with the command line to type, its dry run too', async (t) => {
  const { run, answers, etc, config, haproxyDir } = await makeHost(t);
  asRoot('chown', 'root:root', etc);

  const written = run(...answers);
  const undone = run('--undo');
  const dry = run(...answers, '--dry-run');
  own(etc);
  mkdirSync(join(haproxyDir, 'certs'), { mode: 0o700 });
  asRoot('chown', 'root:root', haproxyDir, config, join(haproxyDir, 'certs'));
  const shut = run(...answers, '--dry-run');
  chmodSync(config, 0o600);
  const unread = run(...answers, '--dry-run');

  assert.deepEqual([written.status, undone.status, dry.status], [77, 77, 77], dry.stdout);
  assert.match(
    written.stderr,
    /init writes \S+pemfleet\.yaml, and this user may not.*sudo pemfleet init --config/,
  );
  assert.match(dry.stderr, /init writes \S+pemfleet\.yaml.*sudo pemfleet init --config .* --dry-run/);
  assert.match(undone.stderr, /sudo pemfleet init --config \S+ --undo/);
  assert.equal(shut.status, 77, shut.stderr);
  assert.match(shut.stderr, /rights that this user lacks.*certs.*sudo pemfleet init/);
  assert.match(unread.stderr, /wanted to read \S+haproxy\.cfg.*run this as root/);
  assert.deepEqual(readdirSync(etc), []);
});

test('a dry run is refused where the real one is: the system user is missing', async (t) => {
  const { home, etc, config, answers, file } = await makeHost(t);
  const words = ['env', 'PATH=/usr/bin:/bin', process.execPath, program, 'init', '--config', file];
  const [dry, real] = [['--dry-run'], []].map((more) => typeWithoutUser(t, [...words, ...answers, ...more]));

  assert.equal(real?.status, 1, real?.stdout);
  assert.match(real?.stderr ?? '', /^wanted the system user pemfleet.*useradd --system/);
  assert.deepEqual([dry?.status, dry?.stderr], [real?.status, real?.stderr]);
  assert.deepEqual(
    [readdirSync(etc), existsSync(join(home, 'bucket')), existsSync(config)],
    [[], false, true],
  );
});

test('init without a terminal asks nothing: what is missing stands in one line', async (t) => {
  const { run, set, etc } = await makeHost(t);

  const missing = run(...set);
  const rows = [
    ['--ca', 'staging', '--ca-file', '/etc/hostname'],
    ['--ca', 'https://ca.test/', '--ca-file', '/no/such.pem'],
    ['--ca', 'https://ca.test/', '--ca-file', '/etc/hostname'],
    ['--name', 'under_score.test'],
    ['--email', 'nobody'],
  ];
  const refusals: string[] = [];
  for (const words of rows) {
    const { status, stderr } = run(...set, '--dry-run', '--yes', ...words);
    refusals.push(`${status} ${stderr}`);
  }

  assert.equal(missing.status, 64, missing.stderr);
  assert.match(
    missing.stderr,
    /init wants --name NAME, or --yes for the names above; --yes \(you agree to the terms/,
  );
  assert.match(missing.stdout, /www\.example\.com {2}\(\S+today\.pem\)/);
  const says = [
    /private CA, and .*is none: name its directory/,
    /--ca-file wants a file.*ENOENT/,
    /saw no certificate in/,
    /underscore/,
    /--email wants/,
  ];
  for (const [index, one] of says.entries()) assert.match(refusals[index] ?? '', one);
  assert.deepEqual(readdirSync(etc), []);
});

test('--force replaces what somebody has written, and keeps it under the next free number', async (t) => {
  const { home, run, answers, file, etc } = await makeHost(t);
  writeFileSync(
    file,
    `bucket: file://${home}/theirs\nacme: { directoryUrl: https://x.test/, termsOfServiceAgreed: true }\ncertificates: [{ identifiers: [a.test] }]\n`,
  );
  writeFileSync(`${file}.1`, 'older');
  own(etc);
  const theirs = readFileSync(file, 'utf8');

  const kept = run(...answers);
  const isKept = readFileSync(file, 'utf8') === theirs;
  const forced = run(...answers, '--force');

  assert.equal(kept.status, 0, kept.stderr);
  assert.ok(isKept);
  assert.match(kept.stdout, /stays as it is.*--force replaces it, and keeps it as \S+pemfleet\.yaml\.2/);
  assert.equal(forced.status, 0, forced.stderr);
  assert.deepEqual([readFileSync(`${file}.2`, 'utf8'), readFileSync(`${file}.1`, 'utf8')], [theirs, 'older']);
  assert.match(readFileSync(file, 'utf8'), /www\.example\.com/);
});

test('nobody is asked for what would not be written: another certificate is a line in the file that stays', async (t) => {
  const { run, answers, config, file, bin } = await makeHost(t);
  cpSync(haproxy, join(bin, 'haproxy'));
  const first = run(...answers, '--apply');
  assert.equal(first.status, 0, first.stderr);
  writeFileSync(file, readFileSync(file, 'utf8').replace('certificates:', '# mine\ncertificates:'));

  // no --yes: it would be refused for want of answers
  const words = ['--haproxy-config', config, '--name', 'api.example.com'];
  const named = run(...words);
  const dry = run(...words, '--dry-run');
  const known = run('--haproxy-config', config, '--name', 'www.example.com', '--dry-run');

  for (const { status, stderr } of [named, dry]) {
    assert.equal(status, 64);
    assert.match(
      stderr,
      /nothing was changed: .*pemfleet\.yaml stays as it is .* Write under certificates: " {2}- identifiers: \[api\.example\.com\]", then: pemfleet plan --check/,
    );
  }
  assert.equal(known.status, 0, known.stderr);
  assert.match(known.stdout, /stays as it is: .*\nHAProxy's configuration has all lines\n$/);
});

test('--undo keeps what somebody has edited since, and says what ends and where keys stay', async (t) => {
  const { run, answers, config, etc, file, bin, lines, home, haproxyDir } = await makeHost(t);
  cpSync(haproxy, join(bin, 'haproxy'));
  const done = run(...answers, '--apply');
  assert.equal(done.status, 0, done.stderr);
  const pem = await pki.issue({ names: ['new.example.org'] });
  writeFileSync(join(haproxyDir, 'certs', 'new.pem'), pem.combined, { mode: 0o600 });
  writeFileSync(join(home, 'bucket', 'published.pem'), pem.combined, { mode: 0o600 });
  const yaml = `${readFileSync(file, 'utf8')}  - identifiers: [new.example.org]\n`;
  writeFileSync(file, yaml);
  writeFileSync(config, readFileSync(config, 'utf8').replace('connect 5s', 'connect 9s'));
  own(home);

  const dry = run('--undo', '--dry-run');
  const isThere = existsSync(file);
  const undone = run('--undo');

  assert.equal(dry.status, 0, dry.stderr);
  assert.match(dry.stdout, /^would remove .*pemfleet\.yaml$/m);
  assert.equal(isThere, true);
  assert.equal(undone.status, 0, undone.stderr);
  for (const { stdout } of [dry, undone]) {
    assert.match(
      stdout,
      /^HTTPS ends for .* only by lines of init: new\.example\.org \(.* 127\.0\.0\.1:\d+ any more\)$/m,
    );
  }
  assert.match(undone.stdout, /^removed .*agent\.yaml$/m);
  assert.match(undone.stdout, /pemfleet\.yaml was changed since: it is kept as .*pemfleet\.yaml\.kept$/m);
  assert.match(
    undone.stdout,
    /haproxy\.cfg was changed since: took init's lines out of it, the change stays$/m,
  );
  assert.match(
    undone.stdout,
    /^private keys stay in .*certs, .*bucket; when nobody needs them: rm -r \S+certs \S+bucket$/m,
  );
  assert.equal(readFileSync(config, 'utf8'), lines.replace('connect 5s', 'connect 9s'));
  assert.deepEqual(readdirSync(etc), ['pemfleet.yaml.kept']);
  assert.equal(readFileSync(join(etc, 'pemfleet.yaml.kept'), 'utf8'), yaml);
});

test('--undo where lines of init were changed in haproxy.cfg: refused with the command that keeps the change and undoes', async (t) => {
  const { run, answers, config, etc, file, bin, lines, home } = await makeHost(t);
  cpSync(haproxy, join(bin, 'haproxy'));
  assert.equal(run(...answers, '--apply').status, 0);
  const edited = readFileSync(config, 'utf8').replace(' strict-sni', ' strict-sni alpn h2');
  writeFileSync(config, edited);
  writeFileSync(join(bin, 'pemfleet'), `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`, {
    mode: 0o755,
  });
  own(home);

  const refused = run('--undo');
  const isThere = existsSync(file);
  const [, command = ''] = /, and undoes: (.*)$/m.exec(refused.stderr) ?? [];
  const undone = typeAs(NOBODY, ['env', `PATH=${bin}:/usr/bin:/bin`, 'sh', '-c', command]);

  assert.equal(refused.status, 1, refused.stdout);
  assert.match(refused.stdout, /^\+.* strict-sni alpn h2$/m);
  assert.equal(isThere, true);
  assert.equal(undone.status, 0, command + undone.stderr);
  assert.equal(readFileSync(config, 'utf8'), lines);
  assert.deepEqual(readdirSync(etc), ['haproxy.cfg.kept']);
  assert.equal(readFileSync(join(etc, 'haproxy.cfg.kept'), 'utf8'), edited);
});

test('two HAProxy on one machine: init asks which, and takes the one that is named', async (t) => {
  const [one, other] = [await makeHost(t), await makeHost(t)];
  await one.start('-W');
  await other.start('-W');

  const unnamed = one.run('--yes', '--dry-run');
  const named = one.run(...one.answers, '--dry-run');

  assert.equal(unnamed.status, 1, unnamed.stdout);
  assert.match(unnamed.stderr, /saw several HAProxy: .*name its file: --haproxy-config FILE/);
  assert.match(named.stdout, /runs as process \d+/);
});

test("from the certificate of today to pemfleet's: proved apart, switched by one reload, and back", async (t) => {
  const { run, answers, config, lines, start, haproxyDir, https } = await makeHost(t);
  const real = join(haproxyDir, 'real.cfg');
  renameSync(config, real);
  symlinkSync('real.cfg', config);
  const part = await start('-W', '-S', join(haproxyDir, 'master.sock'));
  const visit = async () =>
    (await askAsVisitors([`127.0.0.1:${https}`], ['www.example.com'])).map(({ certificate }) => certificate);
  const old = await visit();

  const added = run(...answers, '--apply');
  const early = run('--haproxy-config', config, '--switch', '--apply');
  const unchanged = await visit();
  const own1 = await pki.issue({ names: ['www.example.com'] });
  writeFileSync(join(haproxyDir, 'certs', 'www.pem'), own1.combined, { mode: 0o600 });
  own(join(haproxyDir, 'certs'));
  // As the agent does it: the bind that proves certificates has the new one.
  process.kill(part.pid, 'SIGUSR2');
  const [proof = ''] =
    /127\.0\.0\.1:\d+(?= ssl crt \S+certs strict-sni)/.exec(readFileSync(config, 'utf8')) ?? [];
  const isProved = async () =>
    (await askAsVisitors([proof], ['www.example.com'])).at(-1)?.certificate !== undefined;
  await until(isProved, part.ended, 20_000);
  const switched = run('--haproxy-config', config, '--switch', '--apply');
  const now = await visit();
  const back = run('--haproxy-config', config, '--undo');

  assert.equal(added.status, 0, added.stderr);
  assert.match(added.stdout, /HAProxy was reloaded once/);
  assert.equal(early.status, 1, early.stdout);
  assert.match(early.stderr, /saw none: pemfleet status shows/);
  assert.deepEqual(unchanged, old);
  assert.equal(switched.status, 0, switched.stderr);
  assert.ok(now.every((certificate, index) => certificate !== undefined && certificate !== old[index]));
  assert.equal(back.status, 0, back.stderr);
  assert.deepEqual(await visit(), old);
  assert.notEqual(readFileSync(config, 'utf8'), lines);
  assert.equal(run('--haproxy-config', config, '--undo').status, 0);
  assert.deepEqual([readFileSync(real, 'utf8'), lstatSync(config).isSymbolicLink()], [lines, true]);
});

test('a run that fails halfway is taken back: files, directories and record', async (t) => {
  const dir = tempDir(t);
  const [first, directory] = [join(dir, 'a.yaml'), join(dir, 'init')];
  writeFileSync(first, 'before', { mode: 0o640 });
  const who = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const change = (path: string) => ({ path, body: Buffer.from('after'), mode: 0o644, ...who });

  await assert.rejects(
    putRun({
      ...{ directory, now: new Date(), dropIns: [], haproxy: undefined },
      directories: [{ path: join(dir, 'certs/inner'), mode: 0o700, ...who }],
      files: [change(first), change(join(dir, 'absent/b.yaml'))],
    }),
    /ENOENT/,
  );

  assert.deepEqual(readdirSync(dir), ['a.yaml']);
  assert.deepEqual([readFileSync(first, 'utf8'), statSync(first).mode & 0o777], ['before', 0o640]);
});

test('init that was killed before its reload: the next --apply reloads once, --undo clears what is left', async (t) => {
  const { run, answers, config, etc, lines, start, haproxyDir } = await makeHost(t);
  await start('-W', '-S', join(haproxyDir, 'master.sock'));
  const first = run(...answers, '--apply');
  const master = Number(/runs as process (\d+)/.exec(first.stdout)?.[1]);
  const record = join(etc, 'init', 'record.json');
  const content = JSON.parse(asRoot('cat', record));
  const marks = content.runs.map((one: { isLoaded?: boolean }) => one.isLoaded);
  for (const one of content.runs) delete one.isLoaded;
  writeFileSync(record, JSON.stringify(content));
  writeFileSync(join(etc, 'init', '.1-after-x.0123456789ab.pemfleet-tmp'), 'half');
  own(etc);
  const old = workersUnder(master);

  const dry = run('--haproxy-config', config);
  const unchanged = workersUnder(master);
  const again = run('--haproxy-config', config, '--apply');
  const now = workersUnder(master);
  const third = run('--haproxy-config', config, '--apply');
  const undone = run('--haproxy-config', config, '--undo');

  assert.deepEqual(marks, [true]);
  assert.match(dry.stdout, /has all lines; a run of init ended before its reload$/m);
  assert.match(dry.stdout, /^ {2}pemfleet init .*--apply +check, reload once$/m);
  assert.deepEqual(unchanged, old);
  assert.equal(again.status, 0, again.stderr);
  assert.match(again.stdout, /has all lines; HAProxy was reloaded once/);
  assert.notDeepEqual(now, old);
  assert.match(third.stdout, /has all lines$/m);
  assert.equal(undone.status, 0, undone.stderr);
  assert.match(undone.stdout, /^put back .*haproxy\.cfg$/m);
  assert.equal(readFileSync(config, 'utf8'), lines);
  assert.equal(existsSync(join(etc, 'init')), false);
});
