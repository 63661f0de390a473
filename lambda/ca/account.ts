/**
 * Our one ACME account at a CA, opened for orders. However many first passes start together, all of them register the same key, and the CA
 * answers with the same account.
 */
import { messageOf } from '#contract/errors.ts';
import type { Bucket } from '#storage/bucket.ts';
import { findAccount, newAccount, type Registration, updateContact } from '../acme/account.ts';
import { AcmeClient } from '../acme/client.ts';
import type { Directory } from '../acme/directory.ts';
import { AccountRefused, AcmeProblem } from '../acme/problem.ts';
import type { Transport } from '../acme/transport.ts';
import type { AcmeSettings } from '../config/acme.ts';
import type { Log } from '../log.ts';
import {
  type AccountRecord,
  keyChangedAt,
  readAccountRecord,
  readOrCreate,
  type StoredAccount,
  saveAccount,
} from './account-record.ts';

/** Accounts before ours that are remembered. */
export const MAX_EARLIER = 5;

/** How a CA is talked to, and the bucket that keeps our account there. */
export interface CaOptions {
  bucket: Bucket;
  settings: AcmeSettings;
  exchange: Transport;
  now: () => Date;
  /** Waits out what the CA caches; without it, nothing is waited for. */
  sleep?: ((ms: number) => Promise<void>) | undefined;
  /** Default: nothing is logged. */
  log?: Log | undefined;
  /** Of the external account binding (RFC 8555 §7.3.4), base64url. */
  hmacKey?: string | undefined;
}

/**
 * Registers the account if its URL is not stored yet, and tells the CA a contact that has changed.
 * @throws ContractError `ERR_ACCOUNT_RECORD`; AccountRefused
 */
export async function openAccount(options: CaOptions, directory: Directory): Promise<AcmeClient> {
  const stored = await finishRollover(options, directory, await readOrCreate(options));
  const client = clientOf(options, directory, stored.record);
  if (stored.record.url === undefined) await registerStored(options, client, stored);
  else if (isContactNew(options, stored.record)) await tellContact(options, client, stored);
  return client;
}

/** @returns the account as it is stored; undefined: none is registered. Writes nothing, here or at the CA */
export async function readStoredAccount(
  options: CaOptions,
  directory: Directory,
): Promise<AcmeClient | undefined> {
  const stored = await readAccountRecord(options);
  return stored?.record.url === undefined ? undefined : clientOf(options, directory, stored.record);
}

async function registerStored(options: CaOptions, client: AcmeClient, stored: StoredAccount): Promise<void> {
  const { url, isNew } = await registerAccount(options, client);
  const { contact } = options.settings;
  // A pass that loses this race has registered the same key and has the same URL: nothing is lost.
  await saveAccount(options, stored, { url, contact, lostUrl: undefined });
  if (isNew) logCreated(options, url, stored.record.lostUrl);
}

/** @param before the account in whose place it is */
export function logCreated({ log, settings }: CaOptions, account: string, before: string | undefined): void {
  log?.('account.created', { directory: settings.directoryUrl, account, before });
}

/** @throws AccountRefused if the CA registers no account for this key, or for this binding */
export async function registerAccount(options: CaOptions, client: AcmeClient): Promise<Registration> {
  const { contact, directoryUrl, termsOfServiceAgreed, externalAccountBinding } = options.settings;
  const hmacKey = options.hmacKey ?? '';
  const binding = externalAccountBinding && { kid: externalAccountBinding.kid, hmacKey };
  try {
    return await newAccount(client, { contact, termsOfServiceAgreed }, binding);
  } catch (error) {
    if (!(error instanceof AcmeProblem) || error.type !== 'unauthorized') throw error;
    const cure =
      binding === undefined
        ? 'another account, with a key of its own: pemfleet account --new'
        : `the CA may have ended the external account binding ${binding.kid}: get another one from it`;
    throw new AccountRefused(`${directoryUrl} registers no account for our key: ${cure}`, error);
  }
}

/** The CA is told of a change once, when a pass finds it; where it refuses, that is logged and certificates are ordered all the same. */
async function tellContact(options: CaOptions, client: AcmeClient, stored: StoredAccount): Promise<void> {
  const { log, settings } = options;
  const { contact, directoryUrl: directory } = settings;
  try {
    await updateContact(client, contact);
  } catch (error) {
    log?.('account.contact-failed', { directory, contact, error: messageOf(error) });
    if (isContactRefused(error)) await saveAccount(options, stored, { contactRefused: contact });
    return;
  }
  await saveAccount(options, stored, { contact, contactRefused: undefined });
  log?.('account.contact', { directory, contact });
}

/** Not for now, as by a limit, but for what it says (RFC 8555 §7.3). */
function isContactRefused(error: unknown): boolean {
  if (!(error instanceof AcmeProblem)) return false;
  const { status, type } = error;
  return status >= 400 && status < 500 && status !== 429 && !OF_OTHER_THINGS.has(type);
}

/** Errors that say nothing of a contact. */
const OF_OTHER_THINGS: ReadonlySet<string> = new Set([
  ...['accountDoesNotExist', 'badNonce', 'rateLimited', 'unauthorized'],
]);

/** A record of an earlier version does not say what the CA knows: it is told once. What it has refused, it is not told again. */
function isContactNew({ settings }: CaOptions, { contact = [], contactRefused }: AccountRecord): boolean {
  const wanted = settings.contact.join('\n');
  return contact.join('\n') !== wanted && contactRefused?.join('\n') !== wanted;
}

/** Keeps the key: the next pass registers it again. */
export async function forgetAccountUrl(options: CaOptions): Promise<void> {
  const stored = await readOrCreate(options);
  const { url } = stored.record;
  if (url !== undefined) await saveAccount(options, stored, { url: undefined, lostUrl: url });
}

/**
 * Ends a rollover that was killed (RFC 8555 §7.3.5): the CA is asked which of the two keys it knows. An account that is over has the next
 * key, unless the CA still answers for the old one, which is kept among the earlier accounts.
 */
export async function finishRollover(
  options: CaOptions,
  directory: Directory,
  stored: StoredAccount,
): Promise<StoredAccount> {
  const { key, nextKey, url, earlier = [] } = stored.record;
  if (nextKey === undefined) return stored;
  const knownBy = (one: string) => accountBy(clientOf(options, directory, { version: 1, key: one }));
  const next = await knownBy(nextKey);
  const isOver = next === 'over' && url !== undefined;
  const isChanged = isOver ? !isUrl(await knownBy(key)) : isUrl(next);
  const changed = {
    ...{ key: nextKey, url: isUrl(next) ? next : url, keyChangedAt: options.now().toISOString() },
    ...(isOver && { earlier: [{ url, key }, ...earlier].slice(0, MAX_EARLIER) }),
  };
  const ended = { nextKey: undefined, ...(isChanged && changed) };
  return (await saveAccount(options, stored, ended)) ?? readOrCreate(options);
}

/** @returns its URL; `over`: the CA knows the key, and takes nothing from its account any more; undefined: it does not know it */
async function accountBy(client: AcmeClient): Promise<string | undefined> {
  try {
    return await findAccount(client);
  } catch (error) {
    if (!(error instanceof AcmeProblem)) throw error;
    if (error.type === 'accountDoesNotExist') return undefined;
    if (error.type === 'unauthorized') return 'over';
    throw error;
  }
}

function isUrl(account: string | undefined): boolean {
  return account !== undefined && account !== 'over';
}

export function clientOf(options: CaOptions, directory: Directory, record: AccountRecord): AcmeClient {
  const { exchange, now, sleep } = options;
  const { key: accountKey, url: accountUrl } = record;
  return new AcmeClient({
    ...{ directory, accountKey, accountUrl, exchange, now, sleep },
    keyChangedAt: keyChangedAt(record),
  });
}
