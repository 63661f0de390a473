/** certbot's directory (/etc/letsencrypt): renewal/NAME.conf, accounts/SERVER/PATH/ID, renewal-hooks. Reads only. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { printable } from '#common/printable.ts';
import { canonicalUrl } from '#contract/layout.ts';
import { directoryNamed } from '../../config/known-cas.ts';
import { keyFromJwk, UnusableKey } from './account-key.ts';
import {
  configobjList,
  parseSections,
  readClientFile,
  type Sections,
  sortedNamesIn,
} from './client-files.ts';
import type { ClientState, Lineage, OldAccount, OldChallenge } from './lineage.ts';

const DEFAULT_PORT = 80;
const HOOK_SETTINGS = ['pre_hook', 'post_hook', 'renew_hook', 'manual_auth_hook', 'manual_cleanup_hook'];

/** @returns undefined: certbot has no certificate here */
export async function readCertbot(home: string): Promise<ClientState | undefined> {
  const lineages: Lineage[] = [];
  const problems: string[] = [];
  const shared = sharedHooks(home);
  for (const name of sortedNamesIn(join(home, 'renewal')).filter((one) => one.endsWith('.conf'))) {
    const file = join(home, 'renewal', name);
    const lineage = lineageOf(file, parseSections((await readClientFile(file)) ?? ''), shared);
    if (typeof lineage === 'string') problems.push(`${file}: ${lineage}`);
    else lineages.push(lineage);
  }
  if (lineages.length + problems.length === 0) return undefined;
  const accounts: OldAccount[] = [];
  for (const { directoryUrl, accountId } of uniqueAccounts(lineages)) {
    const account = await accountOf(home, directoryUrl, accountId);
    if (typeof account === 'string') problems.push(account);
    else accounts.push(account);
  }
  return { client: 'certbot', home, lineages, accounts, problems };
}

function lineageOf(file: string, sections: Sections, shared: readonly string[]): Lineage | string {
  const own = sections.get('');
  const params = sections.get('renewalparams');
  const [chainFile, keyFile] = [own?.get('fullchain'), own?.get('privkey')];
  const server = params?.get('server') ?? directoryNamed('letsencrypt');
  if (chainFile === undefined || keyFile === undefined || params === undefined) {
    return 'wanted fullchain, privkey and [renewalparams] of certbot, saw another file: it is left out';
  }
  if (!URL.canParse(server))
    return `wanted the URL of a CA as server, saw ${printable(server)}: it is left out`;
  const named = HOOK_SETTINGS.flatMap((key) => {
    const command = params.get(key);
    return command === undefined || command === 'None' ? [] : [`${key} = ${command} (${file})`];
  });
  return {
    client: 'certbot',
    name: file.replace(/^.*\//, '').replace(/\.conf$/, ''),
    ...{ file, chainFile, keyFile },
    directoryUrl: canonicalUrl(server),
    accountId: params.get('account') ?? '',
    challenge: challengeOf(sections, params),
    reuseKey: params.get('reuse_key') === 'True',
    profile: params.get('required_profile') ?? params.get('preferred_profile'),
    preferredChain: params.get('preferred_chain'),
    hooks: [...named, ...shared],
  };
}

function challengeOf(sections: Sections, params: ReadonlyMap<string, string>): OldChallenge {
  const authenticator = params.get('authenticator') ?? '';
  const [dns] = configobjList(params.get('pref_challs')).filter((one) => one.startsWith('dns'));
  if (authenticator === 'standalone') {
    return { kind: 'standalone', port: Number(params.get('http01_port') ?? DEFAULT_PORT) };
  }
  if (authenticator === 'webroot') {
    const [path] = [
      ...(sections.get('webroot_map')?.values() ?? []),
      ...configobjList(params.get('webroot_path')),
    ];
    return { kind: 'webroot', path: path ?? '' };
  }
  if (authenticator.startsWith('dns-')) return { kind: 'dns', provider: authenticator.slice('dns-'.length) };
  if (authenticator === 'manual' && dns !== undefined) return { kind: 'dns', provider: 'manual' };
  return { kind: 'other', word: authenticator };
}

/** Programs that certbot starts at each renewal, whatever the certificate. */
function sharedHooks(home: string): string[] {
  return ['pre', 'deploy', 'post'].flatMap((kind) => {
    const directory = join(home, 'renewal-hooks', kind);
    return sortedNamesIn(directory).map((name) => join(directory, name));
  });
}

function uniqueAccounts(lineages: readonly Lineage[]): Pick<Lineage, 'directoryUrl' | 'accountId'>[] {
  const keyOf = ({ directoryUrl, accountId }: Lineage) => `${directoryUrl} ${accountId}`;
  return [...new Map(lineages.map((one) => [keyOf(one), one])).values()];
}

/** `accounts/acme-v02.api.letsencrypt.org/directory/ID`: where certbot keeps it, by the server's address. */
async function accountOf(home: string, directoryUrl: string, id: string): Promise<OldAccount | string> {
  if (!/^[0-9a-zA-Z]+$/.test(id))
    return `certbot names no account at ${directoryUrl}: a new one is registered`;
  const directory = join(home, 'accounts', directoryUrl.replace(/^https?:\/\//, ''), id);
  const file = join(directory, 'private_key.json');
  if (!existsSync(file)) return `${file} is missing: a new account is registered at ${directoryUrl}`;
  const [jwk, registration] = [
    await readClientFile(file),
    await readClientFile(join(directory, 'regr.json')),
  ];
  try {
    return {
      ...{ client: 'certbot', id, directoryUrl, file, key: keyFromJwk(jwk ?? '') },
      ...registrationOf(registration ?? ''),
      caFile: undefined,
    };
  } catch (error) {
    if (!(error instanceof UnusableKey)) throw error;
    return `${file} ${error.message}: a new account is registered at ${directoryUrl}`;
  }
}

/** What certbot has saved of the CA's answer: `{"body": {"contact": […]}, "uri": "…"}`. */
function registrationOf(text: string): Pick<OldAccount, 'url' | 'contact' | 'eabKid'> {
  let document: { uri?: unknown; body?: { contact?: unknown } } | null = null;
  try {
    document = JSON.parse(text);
  } catch {
    // Without it the CA says the URL of the key's account, at the first order.
  }
  const { uri, body } = document ?? {};
  const contact = Array.isArray(body?.contact) ? body.contact.map(String) : [];
  return { url: typeof uri === 'string' && URL.canParse(uri) ? uri : undefined, contact, eabKid: undefined };
}
