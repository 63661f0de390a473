/**
 * install-agent.sh and install.sh on a host, in a mount namespace whose /usr and /etc take every change along. systemd is a script that knows what
 * is enabled and fails when the test says so: a first installation is cut off, an upgrade fails at each of its points.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeMountNamespace } from '../support/agent/mount-namespace.ts';
import { tempDir } from '../support/temp-dir.ts';

const AGENT = 'pemfleet-agent.service';
const FIRST = 'pemfleet-agent-first.service';
const INSTALL = 'pemfleet-install.service';

for (const step of [`enable ${FIRST}`, `enable --now ${AGENT}`]) {
  test(`a first installation that is cut off at "systemctl ${step}" is finished by the next attempt`, async (t) => {
    const host = await startHost(t);
    host.publish('0.1.0');

    assert.notEqual(host.installAgent({ failing: step }).status, 0);
    const { status, stderr } = host.installAgent();

    assert.equal(status, 0, stderr);
    assert.deepEqual(host.enabled(), [FIRST, AGENT]);
    assert.equal(host.version(), '0.1.0');
  });
}

test('a host whose agent is enabled is not upgraded by a boot, whatever release is current then', async (t) => {
  const host = await startHost(t);
  host.publish('0.1.0');
  host.installAgent({ failing: `disable ${INSTALL}` });
  host.publish('0.2.0');

  assert.equal(host.installAgent().status, 0);

  assert.equal(host.version(), '0.1.0');
  assert.deepEqual(host.enabled(), [FIRST, AGENT]);
});

test('three releases: one that fails before anything is replaced leaves the current agent, not the one before', async (t) => {
  const host = await startHost(t);
  host.publish('0.1.0');
  host.installAgent();
  host.publish('0.2.0');
  assert.equal(host.installAgent({ release: '0.2.0' }).status, 0);
  host.publish('0.3.0', 'exit 1');

  const { status, stderr } = host.installAgent({ release: '0.3.0' });

  assert.equal(status, 1);
  assert.match(stderr, /the new agent was not installed: the former one stays/);
  assert.equal(host.version(), '0.2.0');
});

test('three releases: one that does not start is taken back to the one before it', async (t) => {
  const host = await startHost(t);
  host.publish('0.1.0');
  host.installAgent();
  host.publish('0.2.0');
  host.installAgent({ release: '0.2.0' });
  host.publish('0.3.0');

  const { status } = host.installAgent({ release: '0.3.0', failing: `try-restart ${AGENT}`, times: 1 });

  assert.equal(status, 1);
  assert.equal(host.version(), '0.2.0');
});

test('systemd-tmpfiles that refuses a line, as older ones do, stops no upgrade, and HAProxy has its directory', async (t) => {
  const host = await startHost(t);
  host.publish('0.1.0');
  host.installAgent();
  host.inside('rm -rf /etc/haproxy');
  host.program('systemd-tmpfiles', 'echo "Invalid mode :0700" >&2; exit 73');
  host.publish('0.2.0');

  const { status, stderr } = host.installAgent({ release: '0.2.0' });

  assert.equal(status, 0, stderr);
  assert.match(stderr, /systemd-tmpfiles has not made all directories: pemfleet-agent doctor names/);
  assert.equal(host.version(), '0.2.0');
  assert.equal(host.inside('stat -c "%a %F" /etc/haproxy/certs'), '700 directory');
});

test("HAProxy's directory that is there, or is a link, stays as it is", async (t) => {
  const host = await startHost(t);
  host.inside(
    'mkdir -p /etc/haproxy /etc/elsewhere; chmod 750 /etc/elsewhere; ln -s /etc/elsewhere /etc/haproxy/certs',
  );
  host.publish('0.1.0');

  assert.equal(host.install('0.1.0').status, 0);

  assert.equal(host.inside('readlink /etc/haproxy/certs; stat -c %a /etc/elsewhere'), '/etc/elsewhere\n750');
});

test('a unit that the operator has masked stays masked when an agent comes', async (t) => {
  const host = await startHost(t);
  host.publish('0.1.0');
  host.inside(`ln -s /dev/null /etc/systemd/system/${FIRST}; touch /etc/systemd/system/${AGENT}`);

  assert.equal(host.install('0.1.0').status, 0);

  assert.equal(
    host.inside('cd /etc/systemd/system; ls -d pemfleet*; readlink pemfleet*'),
    `${FIRST}\n/dev/null`,
  );
});

interface Attempt {
  /** Default: none, as pemfleet-install.service says. */
  release?: string;
  /** Words after `systemctl` that fail. */
  failing?: string;
  /** So often; default: as long as this attempt goes on. */
  times?: number;
}

async function startHost(t: TestContext) {
  const directory = tempDir(t);
  const at = (...path: string[]) => join(directory, ...path);
  for (const folder of ['bin', 'enabled', 'releases', 'scripts']) mkdirSync(at(folder));
  const program = (name: string, script: string) =>
    writeFileSync(at('bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  program('systemctl', SYSTEMCTL.replaceAll('PLACE', directory));
  program('systemd-sysusers', ':');
  program('systemd-tmpfiles', ':');
  copyFileSync('cdk/host/install-agent.sh', at('scripts/install-agent.sh'));
  // What it fetches is another test's (hosts.test.ts).
  writeFileSync(at('scripts/fetch-agent.py'), FETCH.replace('@', at('releases')));
  const namespace = await makeMountNamespace(t);
  namespace.run(FILE_SYSTEMS);
  const run = (words: string[]) => {
    const [name = '', ...args] = [...namespace.through, ...words];
    const env = { ...process.env, PATH: `${at('bin')}:${process.env['PATH']}` };
    return spawnSync(name, args, { encoding: 'utf8', env });
  };
  const inside = (line: string) => run(['sh', '-ec', line]).stdout.trim();
  return {
    ...{ inside, program },
    /** A release, which is now the current one. @param script of its `version` */
    publish: (version: string, script = `echo pemfleet-agent ${version}`) => {
      const name = `pemfleet-agent-${version}`;
      cpSync('agent/host', at('releases', name), { recursive: true });
      writeFileSync(at('releases', name, 'pemfleet-agent'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
      for (const release of [version, 'current']) {
        execFileSync('tar', ['-czf', at('releases', `${release}.tar.gz`), '-C', at('releases'), name]);
      }
    },
    installAgent: ({ release, failing, times = 100 }: Attempt = {}) => {
      if (failing !== undefined) writeFileSync(at('failing'), `${failing}\n`.repeat(times));
      const words = ['sh', at('scripts/install-agent.sh'), 'https://bucket', 'eu-central-1'];
      const result = run([...words, ...(release === undefined ? [] : [release])]);
      rmSync(at('failing'), { force: true });
      return result;
    },
    /** By hand, from an unpacked release. */
    install: (version: string) => run(['sh', at('releases', `pemfleet-agent-${version}`, 'install.sh')]),
    enabled: () => readdirSync(at('enabled')).sort(),
    version: () => inside('/usr/bin/pemfleet-agent version').replace('pemfleet-agent ', ''),
  };
}

/** pemfleet's user is this one: nobody can become another in a namespace of a plain user. */
const FILE_SYSTEMS = `mount -t tmpfs tmpfs /mnt
for folder in usr etc; do
    mkdir /mnt/$folder /mnt/$folder.work
    mount -t overlay overlay -o lowerdir=/$folder,upperdir=/mnt/$folder,workdir=/mnt/$folder.work /$folder
done
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
rm -rf /etc/haproxy /etc/pemfleet
mkdir /etc/pemfleet
touch /etc/pemfleet/agent.yaml
echo pemfleet:x:0:0::/:/bin/sh >>/etc/passwd
printf 'pemfleet:x:0:\\nhaproxy:x:0:\\n' >>/etc/group`;

/** `failing` has a line for each call that fails. */
const SYSTEMCTL = `if grep -qxF -e "$*" PLACE/failing 2>/dev/null; then
    sed -i 1d PLACE/failing
    exit 1
fi
[ "$1" != --quiet ] || shift
for unit in "$@"; do :; done
case $1 in
    is-enabled) [ -e "PLACE/enabled/$unit" ] ;;
    enable) touch "PLACE/enabled/$unit" ;;
    disable) rm -f "PLACE/enabled/$unit" ;;
esac`;

const FETCH = `import shutil, sys
shutil.copyfile("@/" + sys.argv[3] + ".tar.gz", sys.argv[4])
`;
