/**
 * What hosts may trust, in a place that a writer of the bucket cannot change: an AWS SSM parameter that the issuer writes and hosts only
 * read. Nothing in it is secret.
 */
import * as z from 'zod';
import { ContractError } from './errors.ts';
import { JsonRefused, parseJson } from './json.ts';
import { publicKey } from './statement.ts';

const announcedTrust = z.looseObject({
  lineage: z.string().min(1).max(64),
  /** Signs manifests. */
  key: publicKey,
  /** Absent: there is none. */
  recoveryKey: publicKey.optional(),
});
export type AnnouncedTrust = z.infer<typeof announcedTrust>;

/** Characters of a parameter, in the standard tier. */
export const MAX_TRUST_PARAMETER = 4096;

/** @param parameter its name, for messages. @throws ContractError `ERR_TRUST_PARAMETER` */
export function parseAnnouncedTrust(parameter: string, text: string): AnnouncedTrust {
  const refuse = (says: string) => new ContractError('ERR_TRUST_PARAMETER', parameter, says);
  if (text.length > MAX_TRUST_PARAMETER) throw refuse(`wanted at most ${MAX_TRUST_PARAMETER} characters`);
  try {
    const result = announcedTrust.safeParse(parseJson(Buffer.from(text)));
    if (result.success) return result.data;
  } catch (error) {
    if (!(error instanceof JsonRefused)) throw error;
  }
  throw refuse('wanted {"lineage", "key", "recoveryKey"} as the issuer writes it, saw something else');
}

export function serializeAnnouncedTrust({ lineage, key, recoveryKey }: AnnouncedTrust): string {
  return JSON.stringify({ lineage, key, recoveryKey });
}
