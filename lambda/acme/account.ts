/** Accounts at a CA (RFC 8555 §7.1.2, §7.3). */
import type { AcmeClient } from './client.ts';
import { AcmeProblem, NoAcmeAnswer, NotOffered } from './problem.ts';
import type { AcmeResponse } from './transport.ts';

/** What a newAccount request says (§7.3). */
export interface NewAccount {
  /** URLs by which the CA may reach the account's holder: `mailto:…`. */
  contact: readonly string[];
  /** The holder agrees to the terms of service in the directory. */
  termsOfServiceAgreed: true;
}

export interface Registration {
  /** Of the account. */
  url: string;
  /** The CA had no account of this key before (§7.3.1: 201, else 200). */
  isNew: boolean;
}

/** What the CA hands out to bind an account to a customer (§7.3.4). */
export interface ExternalAccount {
  /** Key identifier. */
  kid: string;
  /** MAC key, base64url. */
  hmacKey: string;
}

/** An account as the CA has it (§7.1.2). */
export interface AcmeAccount {
  /** `deactivated`: by its holder (§7.3.6); `revoked`: by the CA. Neither comes back. */
  status: 'valid' | 'deactivated' | 'revoked';
  /** Let's Encrypt keeps none since 2025, and shows none. */
  contact: readonly string[];
  /** URL of the list of its orders; absent where the CA has no such list. */
  orders?: string | undefined;
}

/** Registers the client's key, or finds the account that it has already (§7.3.1). */
export async function newAccount(
  client: AcmeClient,
  account: NewAccount,
  binding?: ExternalAccount,
): Promise<Registration> {
  if (client.directory.meta?.externalAccountRequired && binding === undefined) {
    throw new NotOffered(
      'the CA registers accounts only with an external account binding: set externalAccountBinding',
    );
  }
  const payload = {
    termsOfServiceAgreed: account.termsOfServiceAgreed,
    // Some CAs refuse an empty list.
    contact: account.contact.length > 0 ? account.contact : undefined,
    externalAccountBinding: binding && client.bind(client.directory.newAccount, binding),
  };
  return register(client, payload);
}

/** Finds the account of the client's key (§7.3.1). @throws AcmeProblem `accountDoesNotExist` */
export async function findAccount(client: AcmeClient): Promise<string> {
  return (await register(client, { onlyReturnExisting: true })).url;
}

/** Asks the CA about the client's account (§7.3.3, POST-as-GET). @throws AcmeProblem: most CAs refuse where it is deactivated */
export async function getAccount(client: AcmeClient): Promise<AcmeAccount> {
  return accountOf(await client.post(accountUrlOf(client), null));
}

/** Replaces what the CA keeps as contact (§7.3.2). */
export async function updateContact(client: AcmeClient, contact: readonly string[]): Promise<void> {
  await client.post(accountUrlOf(client), { contact });
}

/** For ever (§7.3.6): what it has issued stays valid, and it orders nothing more. */
export async function deactivateAccount(client: AcmeClient): Promise<void> {
  await client.post(accountUrlOf(client), { status: 'deactivated' });
}

function accountUrlOf({ accountUrl }: AcmeClient): string {
  if (accountUrl === undefined) throw new TypeError('no account URL: register the account first');
  return accountUrl;
}

/** What has the right types: a CA, or a proxy before it, may send anything. */
function accountOf({ data }: AcmeResponse): AcmeAccount {
  const { status, contact, orders } = (data ?? {}) as Record<string, unknown>;
  const statuses = ['valid', 'deactivated', 'revoked'] as const;
  const known = statuses.find((one) => one === status);
  if (known === undefined) throw new NoAcmeAnswer('the account URL answered something else than an account');
  const texts = Array.isArray(contact) ? contact.filter((one): one is string => typeof one === 'string') : [];
  return { status: known, contact: texts, ...(typeof orders === 'string' && { orders }) };
}

/** Hands the account over to `nextKey`, PKCS#8 PEM (§7.3.5). */
export async function changeKey(client: AcmeClient, nextKey: string): Promise<void> {
  const { keyChange } = client.directory;
  if (keyChange === undefined) {
    throw new NotOffered('the CA offers no key rollover (directory without keyChange)');
  }
  try {
    await client.post(keyChange, client.keyChangeBody(keyChange, nextKey));
  } catch (error) {
    if (!(error instanceof AcmeProblem) || error.status !== NOT_IMPLEMENTED) throw error;
    throw new NotOffered(
      'the CA offers no key rollover: its directory names keyChange, which answers HTTP 501',
      {
        cause: error,
      },
    );
  }
}

/** RFC 9110 §15.6.2: smallstep's for all that it lists and has not. */
const NOT_IMPLEMENTED = 501;

async function register(client: AcmeClient, payload: object): Promise<Registration> {
  const response = await client.post(client.directory.newAccount, payload, { kid: false });
  const url = response.headers['location'];
  if (url === undefined) throw new NoAcmeAnswer('newAccount answered without an account URL');
  client.accountUrl = url;
  return { url, isNew: response.status === 201 };
}

/**
 * URLs of the account's orders, page after page (§7.1.2.1). Empty where the CA does not offer the list: Let's
 * Encrypt has none, and hands out a pending order again instead. smallstep's list is a bare array.
 */
export async function listOrders(client: AcmeClient, maxPages = 200): Promise<string[]> {
  if (client.accountUrl === undefined) return [];
  const account = await client.post(client.accountUrl, null);
  let next = (account.data as { orders?: string } | null)?.orders;
  const urls: string[] = [];
  for (let page = 0; typeof next === 'string' && page < maxPages; page += 1) {
    const response = await client.post(next, null);
    const { data } = response;
    const orders = Array.isArray(data) ? data : (data as { orders?: unknown } | null)?.orders;
    if (!Array.isArray(orders)) throw new NoAcmeAnswer(`${next} answered something else than orders`);
    urls.push(...orders.filter((url) => typeof url === 'string' && url.startsWith('https:')));
    next = linksOf(response.headers['link'], 'next', next)[0];
  }
  return urls;
}

/** Targets of the RFC 8288 links with this relation, resolved against `base`; what is no URL leads nowhere. */
export function linksOf(header: string | undefined, relation: string, base: string): string[] {
  const links = [...(header ?? '').matchAll(/<([^<>]+)>\s*;[^,<]*rel="?([^",;]+)"?/g)];
  const targets = links.filter(([, , rel]) => rel === relation).map(([, target = '']) => target);
  return targets.filter((target) => URL.canParse(target, base)).map((target) => new URL(target, base).href);
}
