/** A configured CA during a pass: directory and account are opened on first use, once. */
import type { Bucket } from '#storage/bucket.ts';
import type { AcmeClient } from '../acme/client.ts';
import { type Directory, readDirectory } from '../acme/directory.ts';
import { getRenewalInfo, type RenewalInfo } from '../acme/renewal-info.ts';
import type { Transport } from '../acme/transport.ts';
import type { AcmeSettings } from '../config/acme.ts';
import { forgetAccountUrl, openAccount, rolloverAccountKey } from './account.ts';

export interface Ca {
  settings: AcmeSettings;
  directory: () => Promise<Directory>;
  /** Registers the account if there is none. */
  account: () => Promise<AcmeClient>;
  /** Opens it with a new key (RFC 8555 §7.3.5). */
  rolloverAccount: () => Promise<AcmeClient>;
  renewalInfo: (certId: string) => Promise<RenewalInfo | undefined>;
  /** The CA does not know our account any more: the next pass registers it again. */
  forgetAccount: () => Promise<void>;
}

/** @param hmacKey of the external account binding, base64url */
export function openCa(
  bucket: Bucket,
  settings: AcmeSettings,
  exchange: Transport,
  now: () => Date,
  hmacKey: string | undefined,
): Ca {
  let directory: Promise<Directory> | undefined;
  let account: Promise<AcmeClient> | undefined;
  const readOnce = () => (directory ??= readDirectory(exchange, settings.directoryUrl, now));
  const deps = async () => ({ bucket, settings, exchange, now, hmacKey, directory: await readOnce() });
  return {
    settings,
    directory: readOnce,
    account: () => (account ??= deps().then(openAccount)),
    rolloverAccount: () => deps().then(rolloverAccountKey),
    renewalInfo: async (certId) => getRenewalInfo(exchange, await readOnce(), certId, now()),
    forgetAccount: () => forgetAccountUrl(bucket, settings.directoryUrl),
  };
}

export function caOf(authorities: ReadonlyMap<string, Ca>, directoryUrl: string): Ca {
  const authority = authorities.get(directoryUrl);
  if (authority === undefined) throw new TypeError(`no configured CA has the directory ${directoryUrl}`);
  return authority;
}
