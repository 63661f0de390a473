/** acme.sh's directory (~/.acme.sh): NAME/NAME.conf, NAME_ecc/NAME.conf, ca/HOST/PATH/account.key. Reads only. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalUrl } from '#contract/layout.ts';
import { directoryNamed } from '../../config/known-cas.ts';
import { keyFromPem, UnusableKey } from './account-key.ts';
import { parseShellValues, readClientFile, sortedNamesIn } from './client-files.ts';
import type { ClientState, Lineage, OldAccount, OldChallenge } from './lineage.ts';

type Values = ReadonlyMap<string, string>;

const DEFAULT_CA = directoryNamed('zerossl');
const HOOK_SETTINGS = ['Le_PreHook', 'Le_PostHook', 'Le_RenewHook', 'Le_ReloadCmd', 'Le_DeployHook'];

/** @returns undefined: acme.sh has no certificate here */
export async function readAcmeSh(home: string): Promise<ClientState | undefined> {
  const account = parseShellValues((await readClientFile(join(home, 'account.conf'))) ?? '');
  const certHome = account.get('CERT_HOME') ?? home;
  const lineages: Lineage[] = [];
  for (const name of sortedNamesIn(certHome)) {
    const file = join(certHome, name, `${name.replace(/_ecc$/, '')}.conf`);
    const values = parseShellValues((await readClientFile(file)) ?? '');
    if (values.get('Le_Domain') !== undefined) lineages.push(lineageOf(file, values));
  }
  if (lineages.length === 0) return undefined;
  const accounts: OldAccount[] = [];
  const problems: string[] = [];
  for (const directoryUrl of new Set(lineages.map((one) => one.directoryUrl))) {
    const one = await accountAt(home, directoryUrl, account);
    if (typeof one === 'string') problems.push(one);
    else accounts.push(one);
  }
  return { client: 'acme.sh', home, lineages, accounts, problems };
}

function lineageOf(file: string, values: Values): Lineage {
  const directory = file.replace(/\/[^/]+$/, '');
  const name = file.replace(/^.*\//, '').replace(/\.conf$/, '');
  const hooks = HOOK_SETTINGS.flatMap((key) => {
    const value = values.get(key)?.replace(/,+$/, '');
    return value ? [`${key} = ${value} (${file})`] : [];
  });
  const api = values.get('Le_API') ?? '';
  return {
    ...{ client: 'acme.sh', name, file, hooks, accountId: '' },
    chainFile: join(directory, 'fullchain.cer'),
    keyFile: join(directory, `${name}.key`),
    directoryUrl: canonicalUrl(URL.canParse(api) ? api : DEFAULT_CA),
    challenge: challengeOf(values),
    // A new key is made only where somebody has asked for it.
    reuseKey: values.get('Le_ForceNewDomainKey') !== '1',
    profile: values.get('Le_Certificate_Profile') || undefined,
    preferredChain: values.get('Le_Preferred_Chain') || undefined,
  };
}

/** `Le_Webroot`: a directory, or a word; of several names, one each. */
function challengeOf(values: Values): OldChallenge {
  const [word = ''] = (values.get('Le_Webroot') ?? '').split(',');
  if (word === 'no') return { kind: 'standalone', port: Number(values.get('Le_HTTPPort') || 80) };
  if (word === 'stateless') return { kind: 'stateless' };
  if (word.startsWith('dns')) return { kind: 'dns', provider: word.replace(/^dns_?/, '') || 'manual' };
  if (word.startsWith('/')) return { kind: 'webroot', path: word };
  return { kind: 'other', word };
}

async function accountAt(home: string, directoryUrl: string, shared: Values): Promise<OldAccount | string> {
  const { host, pathname } = new URL(directoryUrl);
  // It leaves the port out.
  const place = [host, host.replace(/:\d+$/, '')].map((one) => join(home, 'ca', one, pathname));
  const directory = place.find((path) => existsSync(join(path, 'account.key')));
  if (directory === undefined) {
    return `${place.at(-1)}/account.key is missing: a new account is registered at ${directoryUrl}`;
  }
  const file = join(directory, 'account.key');
  const values = parseShellValues((await readClientFile(join(directory, 'ca.conf'))) ?? '');
  const [url, email] = [values.get('ACCOUNT_URL'), values.get('CA_EMAIL')];
  try {
    return {
      ...{ client: 'acme.sh', id: '', directoryUrl, file },
      key: keyFromPem((await readClientFile(file)) ?? ''),
      url: url !== undefined && URL.canParse(url) ? url : undefined,
      contact: email ? [`mailto:${email}`] : [],
      eabKid: values.get('CA_EAB_KEY_ID') || undefined,
      caFile: shared.get('CA_BUNDLE') || undefined,
    };
  } catch (error) {
    if (!(error instanceof UnusableKey)) throw error;
    return `${file} ${error.message}: a new account is registered at ${directoryUrl}`;
  }
}
