// The units as systemd itself judges them, with a program that exists in the agent's place.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { timerDropIn } from '../../../../lambda/commands/schedule/drop-in.ts';
import { makeTempDir } from '../../../support/temp-dir.ts';

const folder = fileURLToPath(new URL('../../../../agent/host/', import.meta.url));

const analyze = (...args: string[]) =>
  new Promise<string>((resolve, reject) => {
    execFile('systemd-analyze', args, (error, stdout, stderr) => {
      if (error?.code === 'ENOENT') reject(new Error('systemd-analyze is missing: apt-get install systemd'));
      else resolve(`${stdout}${stderr}${error === null ? '' : `\nended with ${error.code}`}`);
    });
  });

const issuer = fileURLToPath(new URL('../../../../lambda/host/', import.meta.url));
const places = [folder, issuer];
const UNIT = /\.(service|timer|target)$/;

test('systemd-analyze verify is silent: all units together', async (t) => {
  const place = makeTempDir();
  t.after(() => place.remove());
  const all = places.flatMap((from) =>
    readdirSync(from)
      .filter((name) => UNIT.test(name))
      .map((name) => join(from, name)),
  );
  const copies = all.map((unit) => {
    const text = readFileSync(unit, 'utf8').replaceAll(/^ExecStart=\S+/gm, 'ExecStart=/bin/true');
    const copy = join(place.path, basename(unit));
    writeFileSync(copy, text);
    return copy;
  });

  assert.ok(copies.length >= 9);
  assert.equal(await analyze('verify', ...copies), '');
});

test("users and directories: systemd itself makes them, the responder reads no key, HAProxy's directory stays as it is", async (t) => {
  const tree = makeTempDir();
  t.after(() => tree.remove());
  const at = (path: string) => join(tree.path, path);
  mkdirSync(at('etc/haproxy/certs'), { recursive: true, mode: 0o750 });
  chmodSync(at('etc/haproxy/certs'), 0o750);
  const system = (program: string, file: string, ...args: string[]) =>
    promisify(execFile)(program, [
      `--root=${tree.path}`,
      ...args,
      ...places.map((place) => join(place, file)),
    ]);
  const isRoot = process.getuid?.() === 0;

  await system('systemd-sysusers', 'sysusers.conf');
  const users = readFileSync(at('etc/passwd'), 'utf8').matchAll(/^(pemfleet\S*?):.*:(.*):(.*)$/gm);
  assert.deepEqual(
    [...users].map(([, ...words]) => words.join(' ')),
    ['pemfleet /var/lib/pemfleet /usr/sbin/nologin', 'pemfleet-responder / /usr/sbin/nologin'],
  );
  // A host whose HAProxy comes from a container or from source has no such group, and the unit starts with no other.
  assert.match(readFileSync(at('etc/group'), 'utf8'), /^haproxy:/m);
  if (!isRoot) return;
  await system('systemd-tmpfiles', 'tmpfiles.conf', '--create');
  const modes = [
    'var/lib/pemfleet',
    'var/lib/pemfleet/bucket',
    'var/lib/pemfleet/bucket/issuer',
    'var/lib/pemfleet/bucket/challenge',
    'etc/haproxy/certs',
  ].map((path) => (statSync(at(path)).mode & 0o777).toString(8));
  assert.deepEqual(modes, ['711', '711', '700', '711', '750']);
});

test('one definition: both packages define the user of issuer and agent by the same line', () => {
  const lineOf = (place: string) =>
    /^u pemfleet .*$/m.exec(readFileSync(join(place, 'sysusers.conf'), 'utf8'))?.[0];

  assert.ok(lineOf(folder));
  assert.equal(lineOf(folder), lineOf(issuer));
});

test('the timer that is shipped is the one that `pemfleet timer` prints for its distance', () => {
  const settings = (text: string) => text.match(/^(OnCalendar|RandomizedDelaySec)=.+$/gm);

  assert.deepEqual(settings(readFileSync(join(issuer, 'pemfleet.timer'), 'utf8')), settings(timerDropIn(30)));
});

test('units that write figures may write where node_exporter reads them', () => {
  const writers = [join(issuer, 'pemfleet.service'), join(folder, 'pemfleet-agent.service')];

  for (const unit of writers) {
    const [, paths = ''] = /^ReadWritePaths=(.*)$/m.exec(readFileSync(unit, 'utf8')) ?? [];
    for (const place of ['/var/lib/node_exporter', '/var/lib/prometheus/node-exporter']) {
      assert.ok(paths.split(' ').includes(`-${place}`), unit);
    }
  }
});

test('each unit has a limit of memory and of processes, and dumps no core: what comes from outside fills no machine', () => {
  const services = [folder, issuer].flatMap((place) =>
    readdirSync(place)
      .filter((name) => name.endsWith('.service'))
      .map((name) => join(place, name)),
  );

  assert.ok(services.length >= 4);
  for (const service of services) {
    const text = readFileSync(service, 'utf8');
    assert.match(text, /^\[Service\][^[]*^MemoryMax=(256|512)M$/m, service);
    assert.match(text, /^TasksMax=(64|128)$/m, service);
    assert.match(text, /^LimitCORE=0$/m, service);
    // pkey_alloc(2) of Node 20; and what a later Node tries is an error, not its end
    const isFiltered = text.includes('SystemCallFilter=');
    // A filter implies NoNewPrivileges, and programs that send mail are setgid.
    assert.equal(isFiltered, !/alarm|notify/.test(service), service);
    const filter = /^SystemCallFilter=@system-service @pkey\n(#.*\n)*SystemCallErrorNumber=EPERM$/m;
    assert.equal(filter.test(text), isFiltered, service);
  }
});

test('systemd-analyze security: at most 2.0, but for what starts programs that send mail', async () => {
  const judged = places.flatMap((place) =>
    readdirSync(place)
      .filter((name) => /^(?!.*(alarm|notify)).*\.service$/.test(name))
      .map((name) => join(place, name)),
  );
  assert.equal(judged.length, 5);
  for (const unit of judged) {
    const text = await analyze('security', '--offline=true', '--threshold=20', unit);
    const [, score] = /exposure level for \S+: (\d+\.\d+)/.exec(text) ?? [];

    assert.ok(Number(score) <= 2, `${unit}: ${text.split('\n').at(-2)}`);
  }
});
