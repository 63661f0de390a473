// The peers: a process for each certificate, by the command that their users would type.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fetchPeer } from './peers.mjs';
import type { BenchStage } from './stage.ts';
import type { BenchChallenge, Plan, Subject } from './subjects.ts';

/** What differs by challenge is in `challenge`, by client in the rest. */
interface PeerCall {
  args: string[];
  env?: Record<string, string>;
}

interface Place {
  stage: BenchStage;
  /** the client's own folder */
  dir: string;
  isDns: boolean;
}

interface Peer {
  name: string;
  call(place: Place, domain: string): PeerCall;
  prepare?(place: Place): void;
}

const hookFile = fileURLToPath(new URL('dns-hook.sh', import.meta.url));
const hook = (...args: string[]) => ['sh', hookFile, ...args].join(' ');
const whole = (status: number | null) => (status === 0 ? 1 : 0);

const lego: Peer = {
  name: 'lego',
  call: ({ stage: { ca, webroot }, dir, isDns }, domain) => ({
    args: [
      ...['--server', ca.directoryUrl, '--accept-tos', '--email', 'a@example.com', '--path', dir],
      ...['--domains', domain],
      ...(isDns ? ['--dns', 'exec', '--dns.propagation-wait', '1ms'] : ['--http', '--http.webroot', webroot]),
      'run',
    ],
    env: { LEGO_CA_CERTIFICATES: ca.caFile, EXEC_PATH: join(dir, 'dns-hook.sh') },
  }),
  // lego starts one program, without arguments of ours
  prepare: ({ dir }) =>
    writeFileSync(join(dir, 'dns-hook.sh'), `#!/bin/sh\nexec ${hook('"$@"')}\n`, { mode: 0o755 }),
};

const certbot: Peer = {
  name: 'certbot',
  call: ({ stage: { ca, webroot }, dir, isDns }, domain) => ({
    args: [
      ...['certonly', '-n', '--server', ca.directoryUrl, '--agree-tos', '-m', 'a@example.com', '-d', domain],
      ...(isDns
        ? [
            ...['--manual', '--preferred-challenges', 'dns', '--manual-auth-hook', hook('certbot-auth')],
            ...['--manual-cleanup-hook', hook('certbot-cleanup')],
          ]
        : ['--webroot', '-w', webroot]),
      ...['--config-dir', join(dir, 'c'), '--work-dir', join(dir, 'w'), '--logs-dir', join(dir, 'l')],
    ],
    env: { REQUESTS_CA_BUNDLE: ca.caFile },
  }),
};

const dehydrated: Peer = {
  name: 'dehydrated',
  call: ({ dir, isDns }, domain) => ({
    args: [
      ...['-f', join(dir, 'config'), '--accept-terms', '-c', '-d', domain],
      ...(isDns ? ['-t', 'dns-01', '-k', join(dir, 'dns-hook.sh')] : []),
    ],
  }),
  prepare: ({ stage: { ca, challengeDir }, dir }) => {
    const settings = {
      ...{ CA: ca.directoryUrl, WELLKNOWN: challengeDir, BASEDIR: dir, KEY_ALGO: 'prime256v1' },
      ...{ CURL_OPTS: `--cacert ${ca.caFile}`, DOMAINS_TXT: join(dir, 'none') },
    };
    const lines = Object.entries(settings).map(([key, value]) => `${key}="${value}"\n`);
    writeFileSync(join(dir, 'config'), lines.join(''));
    writeFileSync(join(dir, 'dns-hook.sh'), `#!/bin/sh\nexec ${hook('"$@"')}\n`, { mode: 0o755 });
  },
};

const acmeSh: Peer = {
  name: 'acme.sh',
  call: ({ stage: { ca, webroot }, dir, isDns }, domain) => ({
    args: [
      ...['--home', dir, '--issue', '--server', ca.directoryUrl, '--ca-bundle', ca.caFile, '-d', domain],
      ...(isDns ? ['--dns', 'dns_lab', '--dnssleep', '0'] : ['-w', webroot]),
    ],
  }),
  prepare: ({ dir }) => {
    mkdirSync(join(dir, 'dnsapi'));
    copyFileSync(hookFile, join(dir, 'dnsapi/dns_lab.sh'));
  },
};

export const peerSubjects = (challenge: BenchChallenge): Subject[] =>
  [lego, certbot, dehydrated, acmeSh].map(({ name, call, prepare }) => ({
    ...{ name: `${challenge}: ${name}`, isSlow: true },
    open: async (stage, say) => {
      const { command, version } = await fetchPeer(name, say);
      const place = { stage, dir: stage.makeDir(`${name}-${challenge}`), isDns: challenge === 'DNS-01' };
      prepare?.(place);
      const plan: Plan = (names) =>
        names.map((one) => {
          const { args, env = {} } = call(place, one);
          const given = { DNS_MANAGEMENT: stage.dnsManagementUrl, ...env };
          return { command: [...command, ...args], env: given, issued: whole };
        });
      return { version, plan, ca: stage.ca };
    },
  }));
