/**
 * `pemfleet upgrade-agents`, the command itself, on a fleet of three with resident agents in front of real HAProxy: all of it but systemd, for which a stub
 * restarts them. Nothing but the agent changes on the hosts. The broken release looks for HAProxy at the wrong place. Visitors get the right
 * certificate all the time.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openBucket } from '#storage/open.ts';
import { readTrail } from '../../../lambda/audit/read.ts';
import {
  bucketName,
  documentName,
  type FleetAgents,
  type FleetInstance,
  HOSTS,
  startFleet,
} from '../../cdk/upgrade-fleet.ts';
import { fleet } from '../../support/agent/host.ts';
import { agentProgram } from '../../support/agent/program.ts';
import { publisher, serialOf, stageSigner } from '../../support/agent/publish.ts';
import { setEnv } from '../../support/env.ts';
import { handshake } from '../../support/handshake.ts';
import { type Haproxy, startHaproxy } from '../../support/parts/haproxy.ts';
import { createPki } from '../../support/parts/pki.ts';
import { type Part, startPart, until } from '../../support/process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const BROKEN = '0.3.0';
const [CANARY, ...OTHERS] = HOSTS;
const VERSION_LINE = /PEMFLEET_VERSION = "[^"]+"/;

test('three resident agents: a good release reaches all, the canary first; a broken one stops there and is taken back', async (t) => {
  const real = await residentAgents(t);
  const { aws, bucket, pemfleet, publish, versions, statuses, hosts } = await startFleet(t, '0.1.0', real);
  const restore = setEnv(aws.administrator.env);
  const issuer = publisher(await openBucket(`s3://${bucketName}`), await createPki());
  const pem = await issuer.publish('shop', { names: ['shop.test'] });
  restore();
  for (const host of hosts) await real.boot(host);
  const reported = async () =>
    (await statuses()).map(({ agent, error, files }) =>
      [agent.version, error?.code, ...files.map(({ file, state }) => `${file} ${state}`)].join(' '),
    );
  const allRun = (version: string) => HOSTS.map(() => `${version}  shop.pem served`);
  const isReported = async (version: string) => (await reported()).join() === allRun(version).join();
  await until(
    () => isReported('0.1.0'),
    () => undefined,
    20_000,
  );
  const visits = visit(t, real.haproxies, serialOf(pem));

  await publish('0.2.0');
  const good = await pemfleet('upgrade-agents', '--fleet', fleet, '--timeout', '30');

  assert.deepEqual([good.status, good.stderr], [0, ''], good.stdout);
  assert.equal(good.stdout, HOSTS.map((host) => `${host}: upgraded\n`).join(''));
  assert.deepEqual(versions(), ['0.2.0', '0.2.0', '0.2.0']);
  assert.deepEqual(await reported(), allRun('0.2.0'));
  const [first, ...later] = real.restarts.splice(0);
  assert.equal(first, CANARY);
  assert.deepEqual(later.sort(), OTHERS);

  await publish(BROKEN);
  const broken = await pemfleet('upgrade-agents', '--fleet', fleet, '--timeout', '30');

  assert.equal(broken.status, 1, broken.stderr);
  assert.match(
    broken.stdout,
    new RegExp(`^${CANARY}: taken-back: ERR_RUNTIME_SOCKET\\S* .+\\n(\\S+: untouched\\n){2}$`),
  );
  assert.deepEqual(real.restarts, [CANARY, CANARY]);
  assert.deepEqual(versions(), ['0.2.0', '0.2.0', '0.2.0']);
  await until(
    () => isReported('0.2.0'),
    () => undefined,
    20_000,
  );

  const { right, wrong } = await visits();
  assert.deepEqual(wrong, []);
  assert.ok(right > 0);
  assert.deepEqual(
    (await readTrail(bucket)).lines.map(({ action, reason = '' }) => [action, reason.split(';')[0]]),
    [
      ['agents-upgrade-began', `agent 0.2.0 for 3 hosts, by version 1 of ${documentName}`],
      ['agents-upgraded', 'agent 0.2.0: 3 upgraded'],
      ['agents-upgrade-began', `agent ${BROKEN} for 3 hosts, by version 1 of ${documentName}`],
      ['agents-upgrade-stopped', `agent ${BROKEN}: 1 taken-back, 2 untouched`],
    ],
  );
});

/** An agent that stays, and a HAProxy, for each host. */
async function residentAgents(t: TestContext) {
  const dir = tempDir(t);
  const haproxies = new Map<string, Haproxy>();
  const placeOf = (host: string) => join(dir, host);
  for (const name of HOSTS) {
    const haproxy = await startHaproxy({ version: '3.2' });
    t.after(haproxy.stop);
    haproxies.set(name, haproxy);
    mkdirSync(join(placeOf(name), 'bin'), { recursive: true });
    writeFileSync(join(placeOf(name), 'bin/systemctl'), systemctl(placeOf(name)), { mode: 0o755 });
  }
  const restarts: string[] = [];
  const agents: FleetAgents = {
    program: (version) => {
      const file = join(dir, `${version}.mjs`);
      writeFileSync(
        file,
        readFileSync(agentProgram(), 'utf8').replace(VERSION_LINE, `PEMFLEET_VERSION = "${version}"`),
      );
      const fault =
        version === BROKEN ? '[ "$1" != run ] || set -- "$@" --stats-socket /nonexistent/admin.sock\n' : '';
      return `#!/bin/sh\n${fault}exec '${process.execPath}' '${file}' "$@"\n`;
    },
    // A host that is booted, though it is a folder.
    adapt: (folder) => {
      replaceIn(
        join(folder, 'install.sh'),
        '[ -z "$root" ] && [ -d /run/systemd/system ]',
        '[ -n "$(printenv BOOTED)" ]',
      );
      replaceIn(join(folder, 'back.sh'), '[ -n "$root" ]', '[ -z "$(printenv BOOTED)" ]');
    },
    envOf: (name) => ({ BOOTED: 'yes', PATH: `${join(placeOf(name), 'bin')}:${process.env['PATH']}` }),
    pass: async () => undefined,
  };
  const boot = async (host: FleetInstance) => {
    const haproxy = haproxies.get(host.name);
    assert.ok(haproxy);
    const supervised = await supervise(
      host,
      placeOf(host.name),
      [
        ...['run', '--fleet', fleet, '--host', host.name, '--state-dir', join(host.tree, 'state')],
        ...['--bucket', `s3://${bucketName}?region=eu-central-1&writer=${host.name}`],
        ...['--stats-socket', haproxy.socket, '--certs-dir', haproxy.certsDir],
        ...['--handshake', `127.0.0.1:${haproxy.httpsPort}`, '--trust-key', stageSigner.key],
      ],
      () => restarts.push(host.name),
    );
    t.after(supervised);
  };
  return { ...agents, boot, haproxies, restarts };
}

/** Ends the agent, and waits for the next one. */
const systemctl = (place: string) => `#!/bin/sh
case "$*" in
  daemon-reload) exit 0 ;;
  'try-restart pemfleet-agent.service') ;;
  *) exit 1 ;;
esac
former=$(cat '${place}/pid')
kill "$former"
for try in $(seq 200); do
  [ "$(cat '${place}/pid')" = "$former" ] || exit 0
  sleep 0.1
done
exit 1
`;

function replaceIn(file: string, wanted: string, other: string): void {
  const text = readFileSync(file, 'utf8');
  assert.ok(text.includes(wanted), `${file} has no ${wanted}`);
  writeFileSync(file, text.replace(wanted, other));
}

/** As systemd: what has ended is started again. @returns what ends it for good */
async function supervise(
  { tree, env }: FleetInstance,
  place: string,
  args: readonly string[],
  onRestart: () => void,
): Promise<() => Promise<void>> {
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const program = join(tree, 'usr/bin/pemfleet-agent');
  // Not with the operator's credentials, which this process has.
  const words = ['-i', `PATH=${process.env['PATH']}`, ...variables, program, ...args];
  const start = async (): Promise<Part> => {
    const part = await startPart({ name: 'agent', command: 'env', args: words, probe: async () => true });
    writeFileSync(join(place, 'pid'), `${part.pid}\n`);
    return part;
  };
  let part = await start();
  let isOver = false;
  const work = (async () => {
    while (!isOver) {
      await sleep(50);
      if (isOver || part.ended() === undefined) continue;
      part = await start();
      onRestart();
    }
  })();
  return async () => {
    isOver = true;
    await work;
    await part.stop();
  };
}

/** @returns what ends the visits and tells of them */
function visit(t: TestContext, haproxies: ReadonlyMap<string, Haproxy>, serial: string) {
  const visits = { right: 0, wrong: [] as string[] };
  let isOver = false;
  t.after(() => {
    isOver = true;
  });
  const work = (async () => {
    while (!isOver) {
      for (const [name, { httpsPort: port }] of haproxies) {
        const seen = await handshake({ port, servername: 'shop.test' }).then((shown) => shown.serial, String);
        if (seen === serial) visits.right += 1;
        else visits.wrong.push(`${name}: ${seen}`);
      }
      await sleep(200);
    }
  })();
  return async () => {
    isOver = true;
    await work;
    return visits;
  };
}
