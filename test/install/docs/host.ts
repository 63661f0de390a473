// The hosts that the pages' commands run on: HAProxy with a site, the files of a release in the working directory, and somebody at a terminal.

import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import packageJson from '../../../package.json' with { type: 'json' };
import { INSIDE } from '../../support/parts/machine.ts';
import { openTerminal, type Reply } from '../../support/terminal.ts';
import { startTogether } from '../../support/together.ts';
import { startTree, type Tree } from '../tree.ts';
import { ROOTS, startLetsEncrypt } from './lets-encrypt.ts';
import { isOldPlace, OLD_PLACES, prepareOld } from './old-host.ts';
import { withRelease } from './signed-release.ts';

export const NAMES = ['www.example.com', 'example.com'] as const;
const isArm = process.arch === 'arm64';
const HOME = '/srv/release';

/** Where a page's commands run, by the words of `<!-- run on … -->`. */
export const PLACES = [
  ...(['a host', 'a bare host', 'a host without the agent'] as const),
  ...OLD_PLACES,
] as const;
export type Place = (typeof PLACES)[number];

export interface DocsHost {
  tree: Tree;
  /** @returns commands that failed, with their exit status, and what the terminal showed */
  type(script: string): Promise<{ failed: { status: number; command: string }[]; screen: string }>;
  stop(): Promise<void>;
}

export const startHost = (
  place: Place,
  program: Parameters<typeof startTree>[0] = 'nspawn',
): Promise<DocsHost> =>
  startTogether(async (keep) => {
    const tree = await startTree(program);
    keep(tree.stop);
    keep((await startLetsEncrypt(tree)).stop);
    await copyRelease(tree);
    // sudo is in no machine of the set-up: who is root needs none.
    tree.machine.write('usr/local/bin/sudo', SUDO);
    tree.machine.write('usr/local/bin/sudoedit', '#!/bin/sh\nexec "$EDITOR" "$@"\n');
    // The set-up leaves documentation out; a Debian of a cloud does not.
    await tree.shell(`chmod 0755 /usr/local/bin/*
rm -f /etc/dpkg/dpkg.cfg.d/*
printf '10.213.7.2 %s\\n' ${NAMES.join(' ')} >>/etc/hosts`);
    const host = { tree, type: (script: string) => typeInto(tree, script) };
    if (isOldPlace(place)) await prepareOld(host, place);
    else if (place !== 'a bare host') await prepare(host, place);
    return host;
  });

const SUDO = `#!/bin/sh
if [ "$1" = -u ]; then user=$2; shift 2; exec runuser -u "$user" -- "$@"; fi
exec "$@"
`;

const UNTIL_PUBLISHED =
  'for i in $(seq 600); do [ -e /var/lib/pemfleet/bucket/published/default/root.json ] && exit 0; sleep 0.1; done; exit 1';

/** As README.md says. */
async function prepare({ tree, type }: Pick<DocsHost, 'tree' | 'type'>, place: Place): Promise<void> {
  const packages =
    place === 'a host' ? 'pemfleet_*_amd64.deb ./pemfleet-agent_*_amd64.deb' : 'pemfleet_*_amd64.deb';
  const { failed, screen } = await type(`apt install ./${packages}
pemfleet init --email ops@example.com --name ${NAMES.join(',')} --apply --yes
systemctl enable --now pemfleet.target`);
  if (failed.length > 0) throw new Error(`the host could not be prepared: ${screen}`);
  if (place === 'a host') await tree.served(NAMES[0]);
  else await tree.shell(UNTIL_PUBLISHED);
}

async function copyRelease({ machine }: Tree): Promise<void> {
  await withRelease(async (folder) => {
    mkdirSync(machine.at(HOME), { recursive: true });
    for (const file of readdirSync(folder)) copyFileSync(join(folder, file), machine.at(`${HOME}/${file}`));
  });
}

/** What a reader answers. */
const REPLIES: readonly Reply[] = [
  { question: /\[[yY]\/[nN]\]: $/, keys: 'y\r' },
  { question: /CA: staging, .*: $/, keys: '\r' },
];

/** A page names one architecture, and stands for both. */
const forThisMachine = (text: string) =>
  (isArm ? text.replaceAll('amd64', 'arm64').replaceAll('linux-x64', 'linux-arm64') : text).replaceAll(
    'VERSION',
    packageJson.version,
  );

/** A shell that goes on after a command that fails, and remembers it. */
async function typeInto({ machine }: Tree, script: string): ReturnType<DocsHost['type']> {
  const failures = machine.at('root/failures');
  machine.write('root/failures', '');
  machine.write(
    'root/block.sh',
    `trap 'status=$?; printf "%s %s\\n" "$status" "$BASH_COMMAND" >>/root/failures' ERR
[ -s /root/place ] && cd "$(cat /root/place)" || cd ${HOME}
${forThisMachine(script)}
pwd >/root/place
`,
  );
  const env = {
    ...{
      EDITOR: 'true',
      SYSTEMD_PAGER: 'cat',
      NODE_EXTRA_CA_CERTS: ROOTS,
      PATH: `/usr/local/sbin:/usr/local/bin:${INSIDE.PATH}`,
    },
    ...{ LC_ALL: 'C.UTF-8', TERM: 'xterm', HOME: '/root', USER: 'root', DEBIAN_FRONTEND: 'noninteractive' },
  };
  const words = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const terminal = openTerminal(machine.enter(['env', '-i', ...words, 'bash', '/root/block.sh']), {
    deadlineMs: 120_000,
  });
  try {
    await terminal.end(REPLIES);
  } finally {
    terminal.close();
  }
  const failed = readFileSync(failures, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => ({ status: Number(line.split(' ')[0]), command: line.replace(/^\d+ /, '') }));
  return { failed, screen: terminal.screen() };
}
