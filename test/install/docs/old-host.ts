// Hosts as people have them who come from another client: the real certbot, in the tree, with HAProxy before it or beside it.
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { fetchPeer } from '../../bench/peers.mjs';
import type { Tree } from '../tree.ts';

export const OLD_PLACES = [
  'a host with certbot',
  'a host with certbot standalone',
  'a host with a directory of PEMs',
] as const;
export type OldPlace = (typeof OLD_PLACES)[number];

export const isOldPlace = (place: string): place is OldPlace =>
  (OLD_PLACES as readonly string[]).includes(place);

interface OldHost {
  tree: Tree;
  type(script: string): Promise<{ failed: unknown[]; screen: string }>;
}

const run = promisify(execFile);

/** Its programs hold absolute paths: they stand at the same ones in the tree. */
async function copyCertbot({ machine }: Tree): Promise<void> {
  const { command } = await fetchPeer('certbot', () => undefined);
  const place = dirname(dirname(command[0] ?? ''));
  mkdirSync(machine.at(dirname(place)), { recursive: true });
  await run('cp', ['-a', place, machine.at(dirname(place))]);
  machine.write('usr/bin/certbot', `#!/bin/sh\nexec ${command[0]} "$@"\n`);
}

/** Python takes no certificate without a subject, as the stand-in of Let's Encrypt has one. */
const CLI_INI = `agree-tos = True
non-interactive = True
register-unsafely-without-email = True
no-verify-ssl = True
`;
const HOOK = `#!/bin/sh
cat "$RENEWED_LINEAGE/fullchain.pem" "$RENEWED_LINEAGE/privkey.pem" >"/etc/haproxy/certs/$(basename "$RENEWED_LINEAGE").pem"
systemctl reload haproxy
`;
const TIMER = `[Timer]
OnCalendar=*-*-* 00,12:00:00
[Install]
WantedBy=timers.target
`;
const SERVICE = `[Service]
Type=oneshot
ExecStart=/usr/bin/certbot -q renew
`;
const HTTPS = `
frontend https
    bind :443 ssl crt /etc/haproxy/certs strict-sni
    default_backend site

backend letsencrypt
    server certbot 127.0.0.1:8888
`;

/** certbot has its first certificate; the page begins with the packages of pemfleet in place. */
export async function prepareOld({ tree, type }: OldHost, place: OldPlace): Promise<void> {
  const { machine, shell } = tree;
  await copyCertbot(tree);
  machine.write('etc/letsencrypt/cli.ini', CLI_INI);
  machine.write('etc/letsencrypt/haproxy.sh', HOOK);
  machine.write('usr/lib/systemd/system/certbot.timer', TIMER);
  machine.write('usr/lib/systemd/system/certbot.service', SERVICE);
  machine.write('etc/haproxy/https.cfg', HTTPS);
  const isAlone = place === 'a host with certbot standalone';
  await shell(`set -e
chmod 0755 /usr/bin/certbot /etc/letsencrypt/haproxy.sh
mkdir -p /etc/haproxy/certs
cat /etc/haproxy/https.cfg >>/etc/haproxy/haproxy.cfg
${isAlone ? ALONE : BEFORE}
systemctl daemon-reload
systemctl enable --now certbot.timer
systemctl restart haproxy`);
  if (place !== 'a host with certbot') {
    await shell(
      `certbot certonly --standalone ${isAlone ? '' : '--http-01-port 8888'} --deploy-hook /etc/letsencrypt/haproxy.sh --domains www.example.com`,
    );
  }
  const { failed, screen } = await type('apt install ./pemfleet_*_amd64.deb ./pemfleet-agent_*_amd64.deb');
  if (failed.length > 0) throw new Error(`the packages could not be installed: ${screen}`);
}

const BEFORE = `sed -i 's|^    default_backend site|    acl acme path_beg /.well-known/acme-challenge/\\n    use_backend letsencrypt if acme\\n&|' /etc/haproxy/haproxy.cfg`;
const ALONE = "sed -i '/^frontend http$/,/^$/d; /^backend letsencrypt/,$d' /etc/haproxy/haproxy.cfg";
