/** Accounts at a CA (RFC 8555 §7.1.2, §7.3). */
import type { AcmeClient } from './client.ts';
import { NoAcmeAnswer, NotOffered } from './problem.ts';

/** What a newAccount request says (§7.3). */
export interface NewAccount {
  /** URLs by which the CA may reach the account's holder: `mailto:…`. */
  contact: readonly string[];
  /** The holder agrees to the terms of service in the directory. */
  termsOfServiceAgreed: true;
}

/** What the CA hands out to bind an account to a customer (§7.3.4). */
export interface ExternalAccount {
  /** Key identifier. */
  kid: string;
  /** MAC key, base64url. */
  hmacKey: string;
}

/** Registers the client's key, or finds the account that it has already (§7.3.1). @returns the account's URL */
export async function newAccount(
  client: AcmeClient,
  account: NewAccount,
  binding?: ExternalAccount,
): Promise<string> {
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
export function findAccount(client: AcmeClient): Promise<string> {
  return register(client, { onlyReturnExisting: true });
}

/** Hands the account over to `nextKey`, PKCS#8 PEM (§7.3.5). */
export async function changeKey(client: AcmeClient, nextKey: string): Promise<void> {
  const { keyChange } = client.directory;
  if (keyChange === undefined) {
    throw new NotOffered('the CA offers no key rollover (directory without keyChange)');
  }
  await client.post(keyChange, client.keyChangeBody(keyChange, nextKey));
}

async function register(client: AcmeClient, payload: object): Promise<string> {
  const response = await client.post(client.directory.newAccount, payload, { kid: false });
  const url = response.headers['location'];
  if (url === undefined) throw new NoAcmeAnswer('newAccount answered without an account URL');
  client.accountUrl = url;
  return url;
}

/**
 * URLs of the account's orders, page after page (§7.1.2.1). Empty where the CA does not offer the list: Let's
 * Encrypt has none, and hands out a pending order again instead.
 */
export async function listOrders(client: AcmeClient, maxPages = 200): Promise<string[]> {
  if (client.accountUrl === undefined) return [];
  const account = await client.post(client.accountUrl, null);
  let next = (account.data as { orders?: string } | null)?.orders;
  const urls: string[] = [];
  for (let page = 0; next !== undefined && page < maxPages; page += 1) {
    const response = await client.post(next, null);
    const { orders } = (response.data ?? {}) as { orders?: unknown };
    if (!Array.isArray(orders)) throw new NoAcmeAnswer(`${next} answered something else than orders`);
    urls.push(...orders);
    next = linksOf(response.headers['link'], 'next', next)[0];
  }
  return urls;
}

/** Targets of the RFC 8288 links with this relation, resolved against `base`. */
export function linksOf(header: string | undefined, relation: string, base: string): string[] {
  const links = [...(header ?? '').matchAll(/<([^>]+)>\s*;[^,]*rel="?([^",;]+)"?/g)];
  return links.filter(([, , rel]) => rel === relation).map(([, target]) => new URL(target ?? '', base).href);
}
