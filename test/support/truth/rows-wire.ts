// Files and HAProxy's description are right, and clients get something else, or nobody can tell what they get.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MINUTE_MS } from '#common/time.ts';
import type { HostStatus } from '#contract/host-status.ts';
import { withBind } from '../agent/configs.ts';
import { type Haproxy, startHaproxy } from '../parts/haproxy.ts';
import { conditionsIn, OUR_DIRECTORY, type Planted, stateOf, type TruthRow } from './row.ts';

/** HostsBehind gives a host half an hour. */
const figures = { figures: ['HostsBehind'], figureAfterMs: 31 * MINUTE_MS } as const;
const WRONG = ['failed', 'ERR_HANDSHAKE_CERTIFICATE'];

const strangerIn = ({ host }: Planted) => join(host.haproxy.certsDir, 'aaa.pem');

const wireOf = (status: HostStatus, planted: Planted) => {
  const file = status.files.find((one) => one.certificate === planted.certificate);
  return [...stateOf(status, planted), file?.wire?.name === `${planted.certificate}.test`];
};

/** The first bind loads our directory, the second another one. */
const otherDirectory = ({ dir }: Planted) => join(dir, 'other');

async function fillOther(planted: Planted): Promise<void> {
  const other = otherDirectory(planted);
  rmSync(other, { recursive: true, force: true });
  mkdirSync(other);
  const { combined } = await planted.pki.issue({ names: [`${planted.certificate}.test`] });
  writeFileSync(join(other, 'theirs.pem'), combined);
}

/** So many to one that no span passes without a handshake that meets the orphan. */
const ORPHAN_SOCKETS = 63;
let orphan: Haproxy | undefined;

export const wireRows: readonly TruthRow[] = [
  {
    name: 'strangers-file-and-reload',
    where: 'poll',
    on: 'lb1',
    plant: async (planted) => {
      const { combined } = await planted.pki.issue({ names: [`${planted.certificate}.test`] });
      writeFileSync(strangerIn(planted), combined);
      await planted.host.haproxy.reload();
    },
    inHostStatus: wireOf,
    isNamed: [...WRONG, true],
    line: { level: 'wrong', code: 'behind', names: ['certificate'], says: /lb1 failed .*aaa\.pem/ },
    ...figures,
    mend: async (planted) => {
      rmSync(strangerIn(planted));
      await planted.host.haproxy.reload();
    },
  },
  {
    name: 'one-bind-loads-another-directory',
    where: 'poll',
    on: 'lb2',
    plant: async (planted) => {
      await fillOther(planted);
      await planted.host.configure((text) =>
        text.replace(/(HTTPS_BIND.*crt )"[^ ]+"/, `$1"${otherDirectory(planted)}"`),
      );
    },
    inHostStatus: wireOf,
    isNamed: [...WRONG, true],
    line: {
      level: 'wrong',
      code: 'behind',
      names: ['certificate'],
      says: /lb2 failed .*theirs\.pem/,
    },
    ...figures,
    mend: (planted) =>
      planted.host.configure((text) => text.replaceAll(`"${otherDirectory(planted)}"`, OUR_DIRECTORY)),
  },
  {
    name: 'all-binds-load-another-directory',
    where: 'poll',
    on: 'lb2',
    plant: async (planted) => {
      await fillOther(planted);
      await planted.host.configure((text) => text.replaceAll(OUR_DIRECTORY, `"${otherDirectory(planted)}"`));
    },
    inHostStatus: stateOf,
    isNamed: ['needs-reload', 'ERR_RUNTIME_CRT_LIST'],
    line: {
      level: 'wrong',
      code: 'behind',
      names: ['certificate'],
      says: /lb2 needs-reload .*name it on a bind/,
    },
    figures: ['HostsBehind', 'NeedsReload'],
    figureAfterMs: 31 * MINUTE_MS,
    mend: (planted) =>
      planted.host.configure((text) => text.replaceAll(`"${otherDirectory(planted)}"`, OUR_DIRECTORY)),
  },
  {
    name: 'orphan-on-the-same-port',
    takesHours: true,
    where: 'span',
    on: 'lb1',
    plant: async ({ host, dir, certificate, pki }) => {
      const theirs = join(dir, 'orphan');
      mkdirSync(theirs);
      const { combined } = await pki.issue({ names: [`${certificate}.test`] });
      writeFileSync(join(theirs, 'old.pem'), combined);
      const { httpsPort, version } = host.haproxy;
      const one = withBind(`crt "${theirs}" strict-sni`);
      // The kernel deals connections to all sockets of a port.
      const configText = one.replace(/^ {2}bind .*\n/m, (bind) => bind.repeat(ORPHAN_SOCKETS));
      orphan = await startHaproxy({ version, configText, httpsPort });
    },
    // Some handshakes meet HAProxy: which certificates are caught is chance.
    inHostStatus: ({ files }) =>
      files.some(
        ({ state, wire }) => state === 'failed' && /^pid \d+ \(haproxy\)/.test(wire?.listener ?? ''),
      ),
    isNamed: true,
    line: {
      level: 'wrong',
      code: 'behind',
      names: [],
      says: /lb1 failed .*pid \d+ \(haproxy\) listens there/,
    },
    ...figures,
    mend: async () => orphan?.stop(),
  },
  {
    name: 'dead-bind',
    where: 'span',
    on: 'lb2',
    plant: ({ host }) => host.configure((text) => text.replace(/(HTTP_BIND[^\n]*\n)/, '$1  disabled\n')),
    inHostStatus: (status, { certificate }) => [
      conditionsIn(status),
      status.files.find((one) => one.certificate === certificate)?.unproven?.reason,
    ],
    isNamed: [['bind-unreachable'], 'unreachable'],
    line: { level: 'wrong', code: 'unproven', names: ['host'], says: /unreachable/ },
    figures: ['HostsUnproven'],
    figureAfterMs: 31 * MINUTE_MS,
    mend: ({ host }) => host.configure((text) => text.replace('  disabled\n', '')),
  },
];
