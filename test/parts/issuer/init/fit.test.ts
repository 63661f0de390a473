/** init's lines in real configurations and real HAProxy: checked by each version, reloaded once, and taken back byte by byte. */
import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { before, type TestContext, test } from 'node:test';
import { startResponderServer } from '../../../../lambda/commands/responder-server.ts';
import { checkStaged } from '../../../../lambda/init/apply/check.ts';
import { putRun, TakenBack } from '../../../../lambda/init/apply/put.ts';
import { reloadWayOf } from '../../../../lambda/init/apply/reload.ts';
import { undoLastRun } from '../../../../lambda/init/apply/undo.ts';
import { askAsVisitors } from '../../../../lambda/init/apply/visitors.ts';
import { type Discovery, discover } from '../../../../lambda/init/discovery.ts';
import { proposeNames } from '../../../../lambda/init/host/names.ts';
import { planHaproxy } from '../../../../lambda/init/plan/haproxy-plan.ts';
import { bindsOf, isFront } from '../../../../lambda/init/plan/sections.ts';
import { handshakeAddressesOf } from '../../../../lambda/init/plan/tls-binds.ts';
import { programPath } from '../../../setup.mjs';
import { configurations, type KnownConfiguration } from '../../../support/init/configurations.ts';
import { type HaproxyVersion, haproxyVersions } from '../../../support/parts/haproxy.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { freePort } from '../../../support/ports.ts';
import { startPart } from '../../../support/process.ts';
import { request } from '../../../support/request.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const TOKEN = 'mIiLp5zTHR4UsMgXe66V7zsf5YhGWVjk9n3Rt0wen5U';
const certificates: Record<string, string> = {};
let root = '';

before(async () => {
  const pki = await createPki();
  root = pki.rootPem;
  const pem = async (...names: string[]) => (await pki.issue({ names })).combined;
  certificates['live/www.example.com.pem'] = await pem('www.example.com');
  certificates['live/shop.pem'] = await pem('shop.example.com');
  certificates['own/a.pem'] = await pem('a.example.net');
  certificates['own/wild.pem'] = await pem('*.wild.example.com');
});

async function makeHome(t: TestContext, { text }: KnownConfiguration) {
  const home = tempDir(t);
  for (const directory of ['live', 'own', 'certs']) mkdirSync(join(home, directory));
  for (const [file, body] of Object.entries(certificates)) {
    writeFileSync(join(home, file), body, { mode: 0o600 });
  }
  writeFileSync(join(home, 'ca.pem'), root);
  writeFileSync(join(home, 'crt-list.txt'), `# ours\n${home}/own/a.pem [alpn h2] a.example.net\n`);
  const paths = { home, http: await freePort(), https: await freePort() };
  const file = join(home, 'haproxy.cfg');
  writeFileSync(file, text(paths));
  return { ...paths, file, before: readFileSync(file) };
}

type Home = Awaited<ReturnType<typeof makeHome>>;

async function start(
  t: TestContext,
  version: HaproxyVersion,
  { home, file, http, https, before: text }: Home,
) {
  const master = join(home, 'master.sock');
  // Since 3.1 the master answers before its worker has read the configuration.
  const port = [https, http].find((one) => text.includes(`:${one}`));
  const isServing = async () => port === undefined || (await connects(port));
  const part = await startPart({
    name: `HAProxy ${version}`,
    command: programPath(`haproxy-${version}`),
    args: ['-W', '-S', master, '-f', file],
    probe: async () =>
      existsSync(master) && (await ask(master, 'show proc\nquit')).includes('worker') && (await isServing()),
  });
  t.after(() => part.stop());
  return part;
}

const find = (file: string): Promise<Discovery> =>
  discover({ configFile: file, env: process.env, uid: process.getuid?.() ?? 0 }, new Date());

function plan(
  discovery: Discovery,
  { home, http, https }: Home,
  responder: string,
  names: readonly string[],
) {
  return planHaproxy(discovery.config, {
    ...{ group: undefined, hasDirectory: existsSync, directory: join(home, 'certs'), names },
    ...{ served: discovery.served, responder, proofPort: 1, switchTo: undefined, ports: { http, https } },
  });
}

async function put(t: TestContext, home: Home, responder: string) {
  const discovery = await find(home.file);
  const planned = plan(discovery, home, responder, ['new.example.org']);
  const binds = discovery.config.sections.filter(isFront).flatMap(bindsOf);
  const addresses = binds.filter(({ isTls }) => isTls).flatMap(handshakeAddressesOf);
  const names = discovery.served.flatMap((one) => one.names);
  const { installation } = discovery;
  const ids = { mode: 0o600, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const files = planned.changes.map(({ file, after, encoding }) => ({
    path: file,
    body: Buffer.from(after, encoding),
    ...ids,
  }));
  const directory = join(home.home, 'init');
  const way = reloadWayOf(installation.process);
  t.diagnostic(
    planned.diff === '' ? 'nothing to add' : `${planned.diff.split('\n').length} lines of difference`,
  );
  const run = () =>
    putRun({
      ...{ directory, now: new Date(), directories: [], files: [], dropIns: [] },
      haproxy: {
        ...{ installation, files, way, statsSocket: planned.statsSocket, configFile: home.file },
        visitors: { addresses, names, isChangeMeant: false },
      },
    });
  const undo = () => undoLastRun({ directory, dryRun: false, find: () => ({ installation, way }) });
  return { discovery, planned, addresses, directory, run, undo };
}

for (const [index, configuration] of configurations.entries()) {
  const { title, today } = configuration;

  test(`each HAProxy takes the lines without a new warning: ${title}`, async (t) => {
    const home = await makeHome(t, configuration);
    const discovery = await find(home.file);
    const { changes } = plan(discovery, home, '127.0.0.1:8402', ['new.example.org']);
    const temp = join(home.home, '.after');
    writeFileSync(temp, changes[0]?.after ?? '');
    const warningsOf = (output: string) =>
      output
        .split('\n')
        .filter((line) => /^\[(WARNING|ALERT)/.test(line) && !line.includes('no SSL certificate'));

    for (const version of haproxyVersions) {
      const installation = { ...discovery.installation, program: programPath(`haproxy-${version}`) };
      const old = await checkStaged(installation, new Map());
      const now = await checkStaged(installation, new Map([[home.file, { temp }]]));

      assert.ok(now.isWell, `${version}: ${now.output}`);
      assert.ok(warningsOf(now.output).length <= warningsOf(old.output).length, `${version}: ${now.output}`);
    }
  });

  const version = haproxyVersions[index % haproxyVersions.length] ?? '3.0';
  test(`HAProxy ${version}: one reload, visitors as before, challenges answered, and all back: ${title}`, async (t) => {
    const front = await startResponderServer({
      ...{ host: '127.0.0.1', port: 0, onError: () => undefined },
      respond: async () => ({ statusCode: 200, headers: {}, body: 'from the responder' }),
    });
    t.after(() => front.stop());
    const home = await makeHome(t, configuration);
    const part = await start(t, version, home);
    const { addresses, planned, run, undo, directory } = await put(t, home, front.address);
    const views = await askAsVisitors(addresses, today);
    assert.equal(
      views.filter(({ name, certificate }) => name && certificate).length,
      today.length * addresses.length,
    );

    const result = await run();

    assert.equal(result.reloaded, true, part.log());
    assert.deepEqual(await askAsVisitors(addresses, today), views);
    const url = `http://127.0.0.1:${home.http}/.well-known/acme-challenge`;
    const host = { headers: { host: 'www.example.com' } };
    assert.equal((await request(`${url}/${TOKEN}`, host)).body, 'from the responder');
    assert.equal((await request(`${url}/x`, host)).status, 404);
    assert.match(await ask(planned.statsSocket, 'show info'), /^Pid: \d+/m);
    assert.equal((await put(t, home, front.address)).planned.diff, '');
    const undone = await undo();
    assert.deepEqual([undone.result, readFileSync(home.file).equals(home.before)], ['undone', true]);
    assert.equal(existsSync(directory), false);
    assert.deepEqual(await askAsVisitors(addresses, today), views);
  });
}

test('a reload that fails leaves nothing: file, HAProxy and record are as before', async (t) => {
  const configuration = configurations[2] as KnownConfiguration;
  const home = await makeHome(t, configuration);
  await start(t, '3.0', home);
  const { planned, addresses, run, directory } = await put(t, home, '127.0.0.1:1');
  const views = await askAsVisitors(addresses, configuration.today);
  // HAProxy takes the configuration; as visitors would see it, its default certificate is another one now.
  const pems = join(home.home, 'live');
  cpSync(join(home.home, 'own/a.pem'), join(pems, 'aaa.pem'));

  await assert.rejects(
    run(),
    (error) => error instanceof TakenBack && /another certificate/.test(error.message),
  );

  assert.notEqual(planned.diff, '');
  assert.ok(readFileSync(home.file).equals(home.before));
  assert.equal(existsSync(directory), false);
  assert.equal(views.length, 3);
});

test('a configuration that HAProxy refuses is never in place', async (t) => {
  const home = await makeHome(t, configurations[2] as KnownConfiguration);
  await start(t, '3.0', home);
  const { run, directory } = await put(t, home, 'no address at all');

  await assert.rejects(
    run(),
    /haproxy -c refuses the new configuration; nothing was changed:\s.*(responder|ALERT)/s,
  );

  assert.ok(readFileSync(home.file).equals(home.before));
  assert.equal(existsSync(directory), false);
  assert.deepEqual(
    readdirSync(home.home).filter((name) => name.endsWith('pemfleet-tmp')),
    [],
  );
});

test('a configuration behind a symbolic link: its file changes and comes back, and the link stays', async (t) => {
  const home = await makeHome(t, configurations[2] as KnownConfiguration);
  const target = join(home.home, 'kept-elsewhere.cfg');
  renameSync(home.file, target);
  symlinkSync(target, home.file);
  await start(t, '3.0', home);
  const { run, undo } = await put(t, home, '127.0.0.1:1');

  await run();

  assert.ok(lstatSync(home.file).isSymbolicLink());
  assert.match(readFileSync(target, 'utf8'), /acme-challenge/);
  await undo();
  assert.ok(lstatSync(home.file).isSymbolicLink());
  assert.ok(readFileSync(target).equals(home.before));
});

test('a master that has ended meanwhile is not reloaded: all is taken back, and told', async (t) => {
  const home = await makeHome(t, configurations[2] as KnownConfiguration);
  const part = await start(t, '3.0', home);
  const { run, directory } = await put(t, home, '127.0.0.1:1');
  await part.stop();

  await assert.rejects(run(), (error) => error instanceof TakenBack && /takes no signal/.test(error.message));

  assert.ok(readFileSync(home.file).equals(home.before));
  assert.equal(existsSync(directory), false);
});

test("undo takes the lines out of what somebody has edited since, and refuses where they are not init's any more", async (t) => {
  const home = await makeHome(t, configurations[2] as KnownConfiguration);
  await start(t, '3.0', home);
  const { run, undo } = await put(t, home, '127.0.0.1:1');
  await run();
  const made = readFileSync(home.file, 'utf8');
  writeFileSync(home.file, `${made.replace(' path_beg ', ' path_dir ')}# mine\n`);

  const refused = await undo();
  const kept = readFileSync(home.file, 'utf8');
  writeFileSync(home.file, `${made}# mine\n`);
  const undone = await undo();

  assert.match(refused.result === 'changed' ? refused.diff : '', /^\+# mine$/m);
  assert.match(kept, / path_dir [\s\S]*# mine\n$/);
  assert.equal(undone.result === 'undone' && undone.reloaded, true);
  assert.equal(readFileSync(home.file, 'utf8'), `${home.before}# mine\n`);
});

test('names come from the certificates of today and the hosts that HAProxy routes, each with its place', async (t) => {
  const home = await makeHome(t, configurations[4] as KnownConfiguration);
  const { served, hosts } = await find(home.file);

  const { groups } = proposeNames(served, hosts, 'http-01');

  assert.deepEqual(
    groups.map(({ names }) => names),
    [['a.example.net'], ['mail.example.com']],
  );
  assert.match(groups[1]?.from ?? '', /haproxy\.cfg:\d+$/);
});

function connects(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(port, '127.0.0.1', () => connection.destroy());
    connection.once('error', () => resolve(false)).once('close', (hadError) => resolve(!hadError));
  });
}

function ask(socket: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = connect(socket, () => connection.write(`${command}\n`));
    let answer = '';
    connection.setEncoding('utf8').on('data', (text: string) => {
      answer += text;
    });
    connection.once('error', reject).once('close', () => resolve(answer));
  });
}
