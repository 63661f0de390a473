// The files of a release, looked into with the tools of those who take them: dpkg-deb, rpm, man, ssh-keygen, and a container's root.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { SIGNATURE_NAMESPACE, signSums } from '../../cdk/release/papers/sums.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { programPath } from '../setup.mjs';
import { makeTempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);
const release = resolve('dist/release');
const { version } = packageJson;
const place = makeTempDir();
after(() => place.remove());

const DEB = { x64: 'amd64', arm64: 'arm64' } as const;
const RPM = { x64: 'x86_64', arm64: 'aarch64' } as const;
const ARCHS = ['x64', 'arm64'] as const;
const rpm = (...args: string[]) => run(programPath('rpm'), ['--dbpath', join(place.path, 'rpmdb'), ...args]);

async function debPaths(name: string, arch: keyof typeof DEB): Promise<string[]> {
  const { stdout } = await run('dpkg-deb', [
    '--contents',
    join(release, `${name}_${version}_${DEB[arch]}.deb`),
  ]);
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      assert.match(line, /^[d-]rwxr-xr-x root\/root|^-rw-r--r-- root\/root/, line);
      return line.replace(/^.* \.(?=\/)/, '');
    });
}

for (const name of ['pemfleet', 'pemfleet-agent']) {
  for (const arch of ARCHS) {
    test(`${name}, ${arch}: .deb and .rpm have the same files, all root's, and every unit of the repository`, async () => {
      const file = join(release, `${name}-${version}-1.${RPM[arch]}.rpm`);
      const ofRpm = (
        await rpm('-qp', '--queryformat', '[%{FILENAMES} %{FILEUSERNAME}\n]', file)
      ).stdout.trim();
      const ofDeb = (await debPaths(name, arch)).filter((path) => !path.endsWith('/'));
      const lines = ofRpm.split('\n').map((line) => line.split(' '));
      const folders = ['/etc/pemfleet', `/usr/lib/${name}`, `/usr/share/${name}`, `/usr/share/doc/${name}`];

      assert.deepEqual([...new Set(lines.map(([, user]) => user))], ['root']);
      assert.deepEqual(
        lines
          .map(([path = '']) => path)
          .filter((path) => !folders.includes(path))
          .sort(),
        [...ofDeb].sort(),
      );
      const host = name === 'pemfleet' ? 'lambda/host' : 'agent/host';
      const units = readdirSync(host).filter((one) => /\.(service|timer|target)$/.test(one));
      for (const unit of units.filter((one) => !one.includes('alarm'))) {
        assert.ok(ofDeb.includes(`/usr/lib/systemd/system/${unit}`), unit);
      }
      for (const path of [
        `/usr/bin/${name}`,
        `/usr/lib/systemd/system/${name}-alarm@.service`,
        `/usr/lib/${name}/alarm.sh`,
        `/usr/lib/sysusers.d/${name}.conf`,
        `/usr/lib/tmpfiles.d/${name}.conf`,
        `/usr/share/man/man1/${name}.1`,
        `/usr/share/bash-completion/completions/${name}`,
        `/usr/share/zsh/vendor-completions/_${name}`,
        `/usr/share/doc/${name}/monitoring/pemfleet.rules.yml`,
        `/usr/share/doc/${name}/NOTICE`,
      ]) {
        assert.ok(ofDeb.includes(path), path);
      }
      assert.deepEqual(
        ofDeb.filter((path) => path.startsWith('/etc/')),
        [],
        "settings are the host's",
      );
    });
  }
}

test('both packages can be on one machine: no file is in both', async () => {
  const [issuer, agent] = await Promise.all([debPaths('pemfleet', 'x64'), debPaths('pemfleet-agent', 'x64')]);

  assert.deepEqual(
    issuer.filter((path) => !path.endsWith('/') && agent.includes(path)),
    [],
  );
});

test('what a package names is in it: programs and scripts of units, pages of their documentation', async () => {
  for (const name of ['pemfleet', 'pemfleet-agent']) {
    const tree = join(place.path, name);
    await run('dpkg-deb', [
      '-x',
      join(release, `${name}_${version}_${DEB[process.arch as 'x64']}.deb`),
      tree,
    ]);
    const units = join(tree, 'usr/lib/systemd/system');
    for (const unit of readdirSync(units)) {
      const text = readFileSync(join(units, unit), 'utf8');
      const paths = [
        ...text.matchAll(
          /(?<=^(?:ExecStart=|Documentation=file:).*?)\/usr\/(?:bin|lib|share)\/[^\s]*pemfleet[^\s]*/gm,
        ),
      ];
      for (const [path] of paths) assert.ok(statSync(join(tree, path)).isFile(), `${unit}: ${path}`);
      for (const [, alarm] of text.matchAll(/^On(?:Failure|Success)=(.*@)/gm)) {
        assert.ok(statSync(join(units, `${alarm}.service`)).isFile(), `${unit}: ${alarm}`);
      }
    }
    const env = { PATH: '/usr/bin:/bin' };
    const { stdout } = await run(join(tree, 'usr/bin', name), ['version'], { env });
    assert.match(stdout, new RegExp(`\\b${version.replaceAll('.', '\\.')}\\n$`));
    // troff complains of what it does not understand.
    const page = join(tree, `usr/share/man/man1/${name}.1`);
    const { stderr } = await run('groff', ['-man', '-Tutf8', '-ww', '-z', page]);
    assert.equal(stderr, '');
  }
});

test('scripts of the packages are sh, and none of them touches HAProxy or a certificate', async () => {
  for (const name of ['pemfleet', 'pemfleet-agent']) {
    const control = join(place.path, `${name}-control`);
    await run('dpkg-deb', ['--control', join(release, `${name}_${version}_amd64.deb`), control]);
    const scripts = ['postinst', 'prerm', 'postrm'].map((script) => join(control, script));
    const { stdout } = await rpm('-qp', '--scripts', join(release, `${name}-${version}-1.x86_64.rpm`));
    for (const script of scripts) await run('sh', ['-n', script]);
    const text = [...scripts.map((script) => readFileSync(script, 'utf8')), stdout].join('\n');

    // It makes HAProxy's directory where there is none, and changes none: test/cdk/install-agent.test.ts.
    const rest = text.replaceAll('sh /usr/lib/pemfleet-agent/certs-directory.sh || :', '');
    assert.doesNotMatch(rest, /haproxy|\.pem\b|certs/i);
    assert.match(text, /systemd-sysusers \S*pemfleet/);
    assert.match(text, /try-restart/);
    assert.match(text, /systemctl disable --now/);
  }
});

test('a signature of SHA256SUMS is verified by ssh-keygen as docs/release.md says; of other sums, another key or another purpose it is not', async () => {
  const folder = join(place.path, 'signed');
  mkdirSync(folder);
  cpSync(join(release, 'SHA256SUMS'), join(folder, 'SHA256SUMS'));
  const key = async (name: string) => {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(place.path, name)]);
    return readFileSync(join(place.path, `${name}.pub`), 'utf8').trim();
  };
  const [own, other] = [await key('own'), await key('other')];
  await signSums(folder, join(place.path, 'own'));
  const verify = (publicKey: string, namespace: string = SIGNATURE_NAMESPACE) => {
    writeFileSync(
      join(folder, 'allowed_signers'),
      `release@pemfleet namespaces="pemfleet-release" ${publicKey}\n`,
    );
    const flags = '-f allowed_signers -I release@pemfleet';
    return run('sh', ['-c', `ssh-keygen -Y verify ${flags} -n ${namespace} -s SHA256SUMS.sig < SHA256SUMS`], {
      cwd: folder,
    });
  };

  assert.match((await verify(own)).stdout, /^Good "pemfleet-release" signature for release@pemfleet/);
  await assert.rejects(verify(other));
  await assert.rejects(verify(own, 'git'));
  writeFileSync(
    join(folder, 'SHA256SUMS'),
    readFileSync(join(release, 'SHA256SUMS'), 'utf8').replace(/^./, 'x'),
  );
  await assert.rejects(verify(own));
  await assert.rejects(
    signSums(folder, join(place.path, 'absent')),
    /SHA256SUMS could not be signed with .*absent: /,
  );
});

interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { os: string; architecture: string };
}

test('the image: every digest and size is right, its layers make a root in which the program runs as its user, and locks', async () => {
  const layout = join(place.path, 'image');
  mkdirSync(layout);
  await run('tar', ['-xf', join(release, `pemfleet-${version}-oci.tar`), '-C', layout]);
  const named = new Set<string>();
  const blobOf = ({ digest, size }: Descriptor) => {
    named.add(digest.replace('sha256:', ''));
    const body = readFileSync(join(layout, 'blobs', digest.replace(':', '/')));
    assert.equal(`sha256:${createHash('sha256').update(body).digest('hex')}`, digest);
    assert.equal(body.length, size);
    return body;
  };
  const read = (descriptor: Descriptor) => JSON.parse(blobOf(descriptor).toString());
  assert.deepEqual(JSON.parse(readFileSync(join(layout, 'oci-layout'), 'utf8')), {
    imageLayoutVersion: '1.0.0',
  });
  const [top] = JSON.parse(readFileSync(join(layout, 'index.json'), 'utf8')).manifests;
  const { manifests } = read(top) as { manifests: Descriptor[] };
  assert.deepEqual(
    manifests.map(({ platform }) => platform),
    [
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm64' },
    ],
  );
  for (const manifest of manifests) {
    const { config, layers } = read(manifest) as { config: Descriptor; layers: Descriptor[] };
    const { architecture, rootfs } = read(config);
    assert.equal(architecture, manifest.platform?.architecture);
    const root = join(place.path, `root-${architecture}`);
    mkdirSync(root);
    for (const [index, layer] of layers.entries()) {
      blobOf(layer);
      const file = join(layout, 'blobs', layer.digest.replace(':', '/'));
      const { stdout } = await run('sh', ['-c', 'gzip -dc "$0" | sha256sum', file]);
      assert.equal(`sha256:${stdout.slice(0, 64)}`, rootfs.diff_ids[index]);
      await run('tar', ['-xpzf', file, '-C', root]);
    }
  }
  assert.deepEqual(readdirSync(join(layout, 'blobs/sha256')).sort(), [...named].sort());
  const root = join(place.path, `root-${DEB[process.arch as 'x64']}`);
  const inside = (...command: string[]) =>
    run('/usr/sbin/chroot', ['--userspec=10001:10001', root, ...command], { env: { PATH: '/usr/bin:/bin' } });

  assert.equal((await inside('/usr/bin/pemfleet', 'version')).stdout, `${version}\n`);
  const locked = await inside('/usr/bin/flock', '/var/lib/pemfleet/lock', '-c', 'echo locked | cat');
  assert.equal(locked.stdout, 'locked\n');
  assert.equal(statSync(join(root, 'var/lib')).uid, 0);
});

test('dpkg on a Debian 12: both together, an upgrade that keeps settings, old units moved aside, a removal, a purge that leaves HAProxy its own', async () => {
  const root = join(place.path, 'debian');
  mkdirSync(root);
  await run('tar', ['-xf', '.parts/machine/machine.tar', '-C', root]);
  const at = (path: string) => join(root, path);
  const names = ['pemfleet', 'pemfleet-agent'];
  const debs = names.map((name) => `${name}_${version}_${DEB[process.arch as 'x64']}.deb`);
  for (const deb of debs) cpSync(join(release, deb), at(deb));
  // A /proc of its own, which goes with the process.
  const enter = 'mount -t proc proc "$0/proc" && exec /usr/sbin/chroot "$0" "$@"';
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive' };
  const inside = (...command: string[]) =>
    run('unshare', ['--mount', 'sh', '-c', enter, root, ...command], { env });
  const modeOf = (path: string) => (statSync(at(path)).mode & 0o777).toString(8);
  writeFileSync(at('etc/systemd/system/pemfleet-agent.service'), '[Service]\n');
  const before = readFileSync(at('etc/haproxy/haproxy.cfg'), 'utf8');

  const first = await inside('dpkg', '-i', ...debs.map((deb) => `/${deb}`));
  assert.match(
    first.stderr,
    /moved \/etc\/systemd\/system\/pemfleet-agent\.service to .*\.replaced: the package has its own/,
  );
  assert.ok(existsSync(at('etc/systemd/system/pemfleet-agent.service.replaced')));
  assert.deepEqual(
    ['var/lib/pemfleet', 'var/lib/pemfleet/bucket/issuer', 'etc/haproxy/certs', 'etc/pemfleet'].map(modeOf),
    ['711', '700', '700', '755'],
  );
  assert.equal((await inside('pemfleet', 'version')).stdout, `${version}\n`);
  for (const user of ['pemfleet', 'pemfleet-responder']) await inside('id', user);

  for (const file of ['pemfleet.yaml', 'agent.yaml', 'agent.env', 'alarm.conf']) {
    writeFileSync(at(`etc/pemfleet/${file}`), '# ours\n');
  }
  mkdirSync(at('etc/systemd/system/pemfleet.service.d'));
  writeFileSync(at('etc/systemd/system/pemfleet.service.d/pemfleet-paths.conf'), '[Service]\n');
  writeFileSync(at('etc/haproxy/certs/shop.pem'), 'a certificate');
  await inside('dpkg', '-i', ...debs.map((deb) => `/${deb}`));
  await inside('dpkg', '--remove', ...names);
  assert.deepEqual(readdirSync(at('etc/pemfleet')).sort(), [
    'agent.env',
    'agent.yaml',
    'alarm.conf',
    'pemfleet.yaml',
  ]);
  assert.equal(readFileSync(at('etc/pemfleet/agent.yaml'), 'utf8'), '# ours\n');
  assert.equal(existsSync(at('usr/bin/pemfleet')), false);

  const last = await inside('dpkg', '--purge', ...names);
  assert.match(last.stderr, /\/var\/lib\/pemfleet stays/);
  assert.deepEqual(
    [
      'etc/pemfleet',
      'etc/systemd/system/pemfleet.service.d',
      'usr/share/pemfleet',
      'var/lib/pemfleet-agent',
    ].filter((path) => existsSync(at(path))),
    [],
  );
  assert.equal(readFileSync(at('etc/haproxy/certs/shop.pem'), 'utf8'), 'a certificate');
  assert.equal(readFileSync(at('etc/haproxy/haproxy.cfg'), 'utf8'), before);
  await inside('id', 'pemfleet');
});
