/** What an operator does to our account at a CA: another key, another account, its end. */
import { changeKey, deactivateAccount, updateContact } from '../acme/account.ts';
import type { AcmeClient } from '../acme/client.ts';
import type { Directory } from '../acme/directory.ts';
import { AcmeProblem } from '../acme/problem.ts';
import {
  type CaOptions,
  clientOf,
  finishRollover,
  logCreated,
  MAX_EARLIER,
  openAccount,
  registerAccount,
} from './account.ts';
import {
  accountConflict,
  generateAccountKey,
  readAccountRecord,
  readOrCreate,
  saveAccount,
} from './account-record.ts';

/** A CA that an operator has named, or the only one. */
export interface AccountAt {
  readonly options: CaOptions;
  readonly directory: Directory;
}

/** RFC 8555 §7.3.5. If it is killed anywhere, the next pass asks the CA which of the two keys it knows. */
export async function rolloverAccountKey({ options, directory }: AccountAt): Promise<AcmeClient> {
  const old = await openAccount(options, directory);
  const nextKey = generateAccountKey();
  const stored = await saveAccount(options, await readOrCreate(options), { nextKey });
  if (stored === undefined) throw accountConflict(options);
  await changeKey(old, nextKey);
  const { record } = await finishRollover(options, directory, await readOrCreate(options));
  return clientOf(options, directory, record);
}

/**
 * Registers another account, with a key of its own, in the place of ours, which stays at the CA. Killed in between, it leaves ours in its
 * place: called again, it goes on with the same key.
 */
export async function replaceAccount({ options, directory }: AccountAt): Promise<AcmeClient> {
  const first = await finishRollover(options, directory, await readOrCreate(options));
  const newKey = first.record.newKey ?? generateAccountKey();
  const stored = await saveAccount(options, first, { newKey });
  if (stored === undefined) throw accountConflict(options);
  const client = clientOf(options, directory, { version: 1, key: newKey });
  const { url } = await registerAccount(options, client);
  const { record } = stored;
  const before = record.url ?? record.lostUrl;
  const earlier = [...(before ? [{ url: before, key: record.key }] : []), ...(record.earlier ?? [])];
  const replaced = await saveAccount(options, stored, {
    ...{ key: newKey, url, contact: options.settings.contact, earlier: earlier.slice(0, MAX_EARLIER) },
    ...{ newKey: undefined, keyChangedAt: undefined, lostUrl: undefined, contactRefused: undefined },
  });
  if (replaced === undefined) throw accountConflict(options);
  logCreated(options, url, before);
  return client;
}

/** Tells the CA the contact of the configuration, in any case. @throws AcmeProblem if the CA refuses it */
export async function changeContact({ options }: AccountAt, client: AcmeClient): Promise<void> {
  const { contact } = options.settings;
  await updateContact(client, contact);
  await saveAccount(options, await readOrCreate(options), { contact, contactRefused: undefined });
}

/** @returns false if the CA says that it takes nothing from the account any more, as after it */
export async function endAccount(client: AcmeClient): Promise<boolean> {
  try {
    await deactivateAccount(client);
    return true;
  } catch (error) {
    const isOver =
      error instanceof AcmeProblem && ['unauthorized', 'accountDoesNotExist'].includes(error.type);
    if (!isOver) throw error;
    return false;
  }
}

/** Accounts that were replaced, the last first: what they have ordered can be revoked with their keys, as long as the CA knows them. */
export async function earlierAccounts(options: CaOptions, directory: Directory): Promise<AcmeClient[]> {
  const { earlier = [] } = (await readAccountRecord(options))?.record ?? {};
  return earlier.map(({ key, url }) => clientOf(options, directory, { version: 1, key, url }));
}
