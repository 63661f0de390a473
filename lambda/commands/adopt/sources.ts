/** What `--from` and `--dir` mean: where adopt takes its knowledge from. */
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { accountNamed } from '#common/user/accounts.ts';
import { readAcmeSh } from '../../adopt/clients/acme-sh.ts';
import { readCertbot } from '../../adopt/clients/certbot.ts';
import type { ClientState, OldClient } from '../../adopt/clients/lineage.ts';
import { Unplannable } from '../../init/plan/haproxy-config.ts';
import { type CommandValues, UsageError } from '../line/options.ts';

export interface AdoptionSources {
  clients: readonly ClientState[];
  /** Only files of this directory are adopted; absent: all that HAProxy loads. */
  onlyIn: string | undefined;
}

const WORDS = ['certbot', 'acme.sh', 'directory', 'haproxy'] as const;
const READERS: Readonly<Record<OldClient, (home: string) => Promise<ClientState | undefined>>> = {
  certbot: readCertbot,
  'acme.sh': readAcmeSh,
};

/** @throws UsageError, Unplannable */
export async function adoptionSources(values: CommandValues): Promise<AdoptionSources> {
  const { from, dir } = values;
  if (from !== undefined && !(WORDS as readonly string[]).includes(from)) {
    throw new UsageError(
      `--from wants ${WORDS.join(', ')}, saw ${from}; without it, adopt finds what is there`,
    );
  }
  if (dir !== undefined && (from === undefined || from === 'haproxy')) {
    throw new UsageError('--dir wants --from certbot, acme.sh or directory: it says where that is');
  }
  if (from === 'haproxy') return { clients: [], onlyIn: undefined };
  if (from === 'directory') {
    if (dir === undefined) throw new UsageError('--from directory wants --dir DIR, one that HAProxy loads');
    return { clients: [], onlyIn: resolve(dir).replace(/(.)\/+$/, '$1') };
  }
  const wanted: readonly OldClient[] = from === undefined ? ['certbot', 'acme.sh'] : [from as OldClient];
  const clients: ClientState[] = [];
  for (const client of wanted) {
    const homes = dir === undefined ? usualHomes(client) : [resolve(dir)];
    for (const home of homes) {
      const state = await READERS[client](home);
      if (state !== undefined) clients.push(state);
    }
    if (from !== undefined && clients.length === 0) {
      throw new Unplannable(
        `wanted certificates of ${client}, saw none in ${homes.join(', ')}: name its directory, --dir DIR`,
      );
    }
  }
  return { clients, onlyIn: undefined };
}

/** acme.sh is in the home of whoever has installed it; sudo hides who that is. */
function usualHomes(client: OldClient): string[] {
  if (client === 'certbot') return ['/etc/letsencrypt'];
  const home = process.env['LE_WORKING_DIR'];
  if (home) return [home];
  const sudoer = accountNamed(process.env['SUDO_USER'] ?? '')?.home;
  const homes = [homedir(), ...(sudoer === undefined ? [] : [sudoer])].map((one) => `${one}/.acme.sh`);
  return [...new Set([...homes, '/etc/acme.sh', '/opt/acme.sh'])];
}
