// What docs/standalone.md says of an installation from npm: its steps, and its configuration.

import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { makeTempDir } from '../support/temp-dir.ts';
import type { Tree } from './tree.ts';

const run = promisify(execFile);

/** `npm pack` of this checkout, and `npm install --global --prefix /usr` of that, by the npm of this machine. */
export async function installFromNpm(tree: Tree): Promise<void> {
  const place = makeTempDir();
  try {
    const quiet = ['--ignore-scripts', '--offline', '--no-audit', '--no-fund', '--loglevel=error'];
    await run('npm', ['pack', ...quiet, '--pack-destination', place.path]);
    const [tarball = ''] = readdirSync(place.path);
    const prefix = ['--global', '--prefix', resolve(tree.machine.at('usr'))];
    mkdirSync(tree.machine.at('usr/lib/node_modules'), { recursive: true });
    await run('npm', ['install', ...prefix, ...quiet, join(place.path, tarball)]);
  } finally {
    place.remove();
  }
  await tree.shell(UNITS);
}

const UNITS = `set -e
lib=/usr/lib/node_modules/pemfleet
install -m 0644 $lib/lambda/host/*.service $lib/lambda/host/*.timer $lib/lambda/host/*.target $lib/agent/host/*.service /usr/lib/systemd/system/
for part in lambda agent; do
  name=pemfleet; [ $part = lambda ] || name=pemfleet-agent
  install -m 0644 $lib/$part/host/sysusers.conf /usr/lib/sysusers.d/$name.conf
  install -m 0644 $lib/$part/host/tmpfiles.conf /usr/lib/tmpfiles.d/$name.conf
done
install -D -m 0755 $lib/agent/host/alarm.sh /usr/lib/pemfleet/alarm.sh
systemd-sysusers pemfleet.conf pemfleet-agent.conf
systemd-tmpfiles --create pemfleet.conf pemfleet-agent.conf
systemctl daemon-reload`;

/** The lines for HAProxy, and both files: for the names, from the tree's CA. */
export async function configureByHand(
  { shell, pebble, caFile }: Tree,
  names: readonly string[],
): Promise<void> {
  await shell(`set -e
sed -i 's|stats socket /run/haproxy/admin.sock mode 660 level admin|& group haproxy|' /etc/haproxy/haproxy.cfg
sed -i 's|^    default_backend site|    acl is_challenge path_beg /.well-known/acme-challenge/\\n    use_backend acme_responder if is_challenge\\n&|' /etc/haproxy/haproxy.cfg
cat >>/etc/haproxy/haproxy.cfg <<'END'

frontend https
    bind :443 ssl crt /etc/haproxy/certs strict-sni alpn h2,http/1.1
    default_backend site

backend acme_responder
    server responder 127.0.0.1:8402
END
haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy
cat >/etc/pemfleet/pemfleet.yaml <<'END'
bucket: file:///var/lib/pemfleet/bucket
acme:
  directoryUrl: ${pebble.directoryUrl}
  caFile: ${caFile}
  termsOfServiceAgreed: true
certificates:
  - identifiers: [${names.join(', ')}]
END
cat >/etc/pemfleet/agent.yaml <<'END'
bucket: file:///var/lib/pemfleet/bucket
fleet: default
haproxy:
  statsSocket: /run/haproxy/admin.sock
  certsDir: /etc/haproxy/certs
  handshake: [127.0.0.1:443]
END`);
}
