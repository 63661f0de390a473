/** RFC 8555 §7.3: accounts. */
import type { AcmeClient } from './client.ts';
import { AcmeUnreachable, NotOffered } from './problem.ts';

export interface NewAccount {
  /** `mailto:` URLs. */
  contact: readonly string[];
  termsOfServiceAgreed: true;
}

/** §7.3.4: what the CA gave out for binding an account to a customer. */
export interface ExternalAccount {
  kid: string;
  /** base64url */
  hmacKey: string;
}

/** Registers the client's key, or finds its account if it is registered already (§7.3.1). @returns account URL */
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
    ...(account.contact.length > 0 && { contact: account.contact }),
    ...(binding && { externalAccountBinding: client.bind(client.directory.newAccount, binding) }),
  };
  return register(client, payload);
}

/** §7.3.1. @throws AcmeProblem `accountDoesNotExist` */
export function findAccount(client: AcmeClient): Promise<string> {
  return register(client, { onlyReturnExisting: true });
}

/** §7.3.5: from now on the account belongs to `nextKey` (PKCS#8 PEM). */
export async function changeKey(client: AcmeClient, nextKey: string): Promise<void> {
  const { keyChange } = client.directory;
  if (keyChange === undefined)
    throw new NotOffered('the CA offers no key rollover (directory without keyChange)');
  await client.post(keyChange, client.keyChangeBody(keyChange, nextKey));
}

async function register(client: AcmeClient, payload: object): Promise<string> {
  const response = await client.post(client.directory.newAccount, payload, { kid: false });
  const url = response.headers['location'];
  if (url === undefined) throw new AcmeUnreachable('newAccount answered without an account URL');
  client.accountUrl = url;
  return url;
}

/**
 * §7.1.2.1: URLs of the account's orders, newest lists followed by their `next` links. Optional in practice:
 * an empty list where the CA does not offer it (Let's Encrypt, which hands out a pending order again instead).
 */
export async function listOrders(client: AcmeClient, maxPages = 200): Promise<string[]> {
  if (client.accountUrl === undefined) return [];
  const account = await client.post(client.accountUrl, null);
  let next = (account.data as { orders?: string } | null)?.orders;
  const urls: string[] = [];
  for (let page = 0; next !== undefined && page < maxPages; page += 1) {
    const response = await client.post(next, null);
    const { orders } = (response.data ?? {}) as { orders?: unknown };
    if (!Array.isArray(orders)) throw new AcmeUnreachable(`${next} answered something else than orders`);
    urls.push(...orders);
    next = linksOf(response.headers['link'], 'next', next)[0];
  }
  return urls;
}

/** RFC 8288 links of one relation, resolved against `base`. */
export function linksOf(header: string | undefined, relation: string, base: string): string[] {
  const links = [...(header ?? '').matchAll(/<([^>]+)>\s*;[^,]*rel="?([^",;]+)"?/g)];
  return links.filter(([, , rel]) => rel === relation).map(([, target]) => new URL(target ?? '', base).href);
}
