/**
 * What a command has on a machine and not in a function: a pemfleet.yaml, the bucket that the command line names, and a user. The issuer's
 * bundle leaves this file out (build.ts): YAML and the users of a machine are no matter of a function.
 */
import { readSettingsText } from '#common/settings/read-text.ts';
import { whileOwnerOf } from '#common/user/while-owner.ts';
import { parseBucketUrl } from '#storage/address.ts';
import type { BucketAccess } from '#storage/bucket.ts';
import type { Config } from '../../config/config.ts';
import { type GivenBucket, parseConfig } from '../../config/yaml.ts';
import { loadConfigFile } from '../../wiring.ts';
import { type CommandValues, UsageError } from './options.ts';
import { bucketOfStack } from './stack.ts';
import { continueForBucket } from './user.ts';

/** With the bucket that the command line or the environment names. */
export async function loadLocalConfig(values: CommandValues): Promise<Config> {
  const given = await givenBucket(values);
  const parse = (file: string, text: string) => parseConfig(file, text, given);
  return loadConfigFile(values.config, parse, readSettingsText);
}

/** @throws WrongUser */
export function continueLocally(url: string, access: BucketAccess, values: CommandValues): Promise<void> {
  return continueForBucket(url, access, values);
}

/** Root reads there with the rights of the owner, and is root again. */
export function whileOwnerOfBucket<T>(url: string, read: () => Promise<T>): Promise<T> {
  const address = parseBucketUrl(url);
  return whileOwnerOf(address.kind === 'directory' ? address.path : undefined, read);
}

/** In place of the one that the configuration names. An empty variable says nothing. */
async function givenBucket({ bucket: url, stack }: CommandValues): Promise<GivenBucket | undefined> {
  if (url !== undefined && stack !== undefined)
    throw new UsageError('--stack names a bucket, --bucket another one');
  if (stack !== undefined) return { url: await bucketOfStack(stack, process.env), origin: '--stack' };
  if (url !== undefined) return { url, origin: '--bucket' };
  const variable = process.env['PEMFLEET_BUCKET'];
  return variable ? { url: variable, origin: 'PEMFLEET_BUCKET' } : undefined;
}
