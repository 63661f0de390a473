/** A configured CA during a pass: directory and account are opened on first use, once. */
import { AcmeClient } from '../acme/client.ts';
import { type Directory, readDirectory } from '../acme/directory.ts';
import { AcmeProblem } from '../acme/problem.ts';
import { getRenewalInfo, type RenewalInfo } from '../acme/renewal-info.ts';
import type { AcmeSettings } from '../config/acme.ts';
import {
  type CaOptions,
  forgetAccountUrl,
  openAccount,
  readStoredAccount,
  rolloverAccountKey,
} from './account.ts';

export interface Ca {
  settings: AcmeSettings;
  directory: () => Promise<Directory>;
  /** As it is stored; undefined: none is registered, as far as the bucket knows. Registers and writes nothing. */
  storedAccount: () => Promise<AcmeClient | undefined>;
  /** Registers the account if there is none. */
  account: () => Promise<AcmeClient>;
  /** Opens it with a new key (RFC 8555 §7.3.5). */
  rolloverAccount: () => Promise<AcmeClient>;
  /** Signs with this key, PKCS#8 PEM, and has no account. */
  signedBy: (key: string) => Promise<AcmeClient>;
  renewalInfo: (certId: string) => Promise<RenewalInfo | undefined>;
  /** The CA does not know our account any more: the next pass registers it again. */
  forgetAccount: () => Promise<void>;
}

/** The configured CAs, by directory URL, the preferred one first. */
export type Cas = ReadonlyMap<string, Ca>;

export function openCa(options: CaOptions): Ca {
  const { bucket, exchange, now, settings } = options;
  let directory: Promise<Directory> | undefined;
  let account: Promise<AcmeClient> | undefined;
  const readOnce = () => (directory ??= readDirectory(exchange, settings.directoryUrl, now));
  return {
    settings,
    directory: readOnce,
    storedAccount: async () => readStoredAccount(options, await readOnce()),
    account: () => (account ??= readOnce().then((read) => openAccount(options, read))),
    rolloverAccount: async () => rolloverAccountKey(options, await readOnce()),
    signedBy: async (accountKey) =>
      new AcmeClient({ directory: await readOnce(), accountKey, exchange, now }),
    renewalInfo: async (certId) => getRenewalInfo(exchange, await readOnce(), certId, now()),
    forgetAccount: () => forgetAccountUrl(bucket, settings.directoryUrl),
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
