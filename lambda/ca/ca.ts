/** A configured CA during a pass: directory and account are opened on first use, once. */
import { type AcmeAccount, getAccount } from '../acme/account.ts';
import { AcmeClient } from '../acme/client.ts';
import { type Directory, readDirectory } from '../acme/directory.ts';
import { AccountRefused, AcmeProblem } from '../acme/problem.ts';
import { getRenewalInfo, type RenewalInfo } from '../acme/renewal-info.ts';
import type { AcmeSettings } from '../config/acme.ts';
import { type CaOptions, forgetAccountUrl, openAccount, readStoredAccount } from './account.ts';
import { type AccountAt, earlierAccounts } from './change-account.ts';
import { isPrivateCa } from './private-ca.ts';

export interface Ca {
  settings: AcmeSettings;
  directory: () => Promise<Directory>;
  /** Whether its certificates may name addresses of a private network; asks for the directory where only its address can say so. */
  allowsPrivate: () => Promise<boolean>;
  /** Asked now, with the time of the CA's answer (header Date). */
  freshDirectory: () => Promise<{ date: string | undefined }>;
  /** As it is stored; undefined: none is registered, as far as the bucket knows. Registers and writes nothing. */
  storedAccount: () => Promise<AcmeClient | undefined>;
  /** Registers the account if there is none. */
  account: () => Promise<AcmeClient>;
  /** What commands change it with. */
  accountAt: () => Promise<AccountAt>;
  /** Accounts that were replaced, the last first. */
  earlierAccounts: () => Promise<AcmeClient[]>;
  /** What the CA says of our account, asked once. */
  accountStatus: () => Promise<AcmeAccount['status'] | AcmeProblem>;
  /** Signs with this key, PKCS#8 PEM, and has no account. */
  signedBy: (key: string) => Promise<AcmeClient>;
  renewalInfo: (certId: string) => Promise<RenewalInfo | undefined>;
  /** The CA does not know our account any more: the next pass registers it again. */
  forgetAccount: () => Promise<void>;
}

/** The configured CAs, by directory URL, the preferred one first. */
export type Cas = ReadonlyMap<string, Ca>;

/** @param mayBePrivate as the transport has seen the directory's address until now */
export function openCa(options: CaOptions, mayBePrivate: () => boolean = () => false): Ca {
  const { exchange, now, settings } = options;
  let directory: Promise<Directory> | undefined;
  let account: Promise<AcmeClient> | undefined;
  let status: Promise<AcmeAccount['status'] | AcmeProblem> | undefined;
  const readOnce = () => (directory ??= readDirectory(exchange, settings.directoryUrl, now));
  const openOnce = () => (account ??= readOnce().then((read) => openAccount(options, read)));
  return {
    settings,
    directory: readOnce,
    allowsPrivate: async () => isPrivateCa(settings) ?? (await readOnce().then(mayBePrivate)),
    freshDirectory: async () => {
      const { headers } = await exchange('GET', settings.directoryUrl);
      return { date: headers['date'] };
    },
    storedAccount: async () => readStoredAccount(options, await readOnce()),
    account: openOnce,
    accountAt: async () => ({ options, directory: await readOnce() }),
    earlierAccounts: async () => earlierAccounts(options, await readOnce()),
    accountStatus: () => (status ??= openOnce().then(statusOf)),
    signedBy: async (accountKey) =>
      new AcmeClient({ directory: await readOnce(), accountKey, exchange, now }),
    renewalInfo: async (certId) => getRenewalInfo(exchange, await readOnce(), certId, now()),
    forgetAccount: () => forgetAccountUrl(options),
  };
}

/** @throws TypeError for a CA that is not configured: decisions name configured ones only */
export function caOf(cas: Cas, directoryUrl: string): Ca {
  const ca = cas.get(directoryUrl);
  if (ca === undefined) throw new TypeError(`no configured CA has the directory ${directoryUrl}`);
  return ca;
}

/** Our account at a CA, open for orders. */
export interface CaAccount {
  readonly settings: AcmeSettings;
  readonly client: AcmeClient;
}

export async function openAccountAt(cas: Cas, directoryUrl: string): Promise<CaAccount> {
  const ca = caOf(cas, directoryUrl);
  return { settings: ca.settings, client: await ca.account() };
}

/** Drops the account's URL if the CA answered that it does not know the account (RFC 8555 §6.7). */
export async function forgetLostAccount(cas: Cas, directoryUrl: string, error: unknown): Promise<void> {
  if (error instanceof AcmeProblem && error.type === 'accountDoesNotExist') {
    await caOf(cas, directoryUrl).forgetAccount();
  }
}

/** What is refused is told, whatever the CA's reason. @throws NoAcmeAnswer */
async function statusOf(client: AcmeClient): Promise<AcmeAccount['status'] | AcmeProblem> {
  try {
    return (await getAccount(client)).status;
  } catch (error) {
    if (error instanceof AcmeProblem) return error;
    throw error;
  }
}

/**
 * `unauthorized` says of an order that it is not ours, of a validation that it failed, and of an account that it is over: where it stands,
 * the CA is asked for the account.
 * @param isRenewed the CA did not know the account before, and it was registered again
 * @returns AccountRefused with the cure if it is the account; else the error as it is
 */
export async function explainRefusal(
  cas: Cas,
  directoryUrl: string,
  error: unknown,
  isRenewed = false,
): Promise<unknown> {
  if (isRenewed && error instanceof AcmeProblem && error.type === 'accountDoesNotExist') {
    const seen = `${directoryUrl} has registered our account again, and does not know it`;
    return new AccountRefused(`${seen}; to register another one: ${cureOf(cas, directoryUrl)}`, error);
  }
  const isUnclear = error instanceof AcmeProblem && error.type === 'unauthorized';
  if (!isUnclear || error instanceof AccountRefused) return error;
  const ca = caOf(cas, directoryUrl);
  // A CA that gives no answer now has given one: its refusal.
  const status = await ca.accountStatus().catch(() => undefined);
  const isOver = status instanceof AcmeProblem ? status.type === 'unauthorized' : status !== 'valid';
  if (status === undefined || !isOver) return error;
  const { accountUrl } = await ca.account();
  return new AccountRefused(refusalText(directoryUrl, accountUrl, status, cureOf(cas, directoryUrl)), error);
}

function cureOf(cas: Cas, directoryUrl: string): string {
  return `pemfleet account --new${cas.size > 1 ? ` --ca ${directoryUrl}` : ''}`;
}

function refusalText(
  directoryUrl: string,
  accountUrl: string | undefined,
  status: AcmeAccount['status'] | AcmeProblem,
  cure: string,
): string {
  const seen =
    status instanceof AcmeProblem ? 'is refused (deactivated, or revoked by the CA)' : `is ${status}`;
  return `our account ${accountUrl} at ${directoryUrl} ${seen}: it orders nothing any more, and what it has ordered stays valid; to register another one: ${cure}`;
}
