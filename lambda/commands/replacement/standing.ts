/** What a `pemfleet revoke` that fails leaves in the bucket: its request stands, and passes go on with it. Whoever typed it has to know. */
import { BucketError, codeOf, messageOf } from '#contract/errors.ts';
import type { CertificateName } from '#contract/layout.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readRevocation, type StoredRevocation, serialsOf } from '../../replacement/revocations.ts';
import { printToStderr } from '../command.ts';

/** As `waiting` of `--json` has it. */
export interface StandingRequest {
  certificate: CertificateName;
  serials: readonly string[];
  reason: string;
  /** RFC 3339: when it was asked for. */
  since: string;
}

/** What the next pass does about it. */
const NEXT = {
  'not-revoked':
    'each pass goes on with it: it publishes what takes its place where that is missing, waits until every living host has proved that, and asks the CA then; the same words with --now wait for nobody',
  'key-left': 'each pass tries again to delete the key',
} as const;

/**
 * Says it, where any of it stands.
 * @param serials that the command meant
 * @returns the first request of which something stands. What cannot be read is said, and undefined
 */
export async function sayWhatStands(
  bucket: Bucket,
  certificate: CertificateName,
  serials: readonly string[],
  left: keyof typeof NEXT,
): Promise<StandingRequest | undefined> {
  const stored = await read(bucket, certificate);
  if (stored?.fault !== undefined) {
    const why = `${codeOf(stored.fault)} ${messageOf(stored.fault)}`;
    printToStderr(
      `${certificate}: whether the request stands cannot be read (${why}): pemfleet status says it; ${endText(certificate)}\n`,
    );
    return undefined;
  }
  const standing = (stored?.requests ?? [])
    .filter(({ pems }) => pems.some(({ serial }) => serials.includes(serial)))
    .map((request) => {
      const { at, reason } = request;
      return { certificate, serials: serialsOf(request), reason, since: at };
    });
  for (const one of standing) {
    const what = `${one.serials.join(' ')} (${one.reason}), asked for at ${one.since}`;
    printToStderr(`${certificate}: the request stays: ${what}: ${NEXT[left]}; ${endText(certificate)}\n`);
  }
  return standing[0];
}

const endText = (name: CertificateName) => `pemfleet revoke ${name} --cancel ends it`;

async function read(
  bucket: Bucket,
  certificate: CertificateName,
): Promise<Pick<StoredRevocation, 'requests' | 'fault'> | undefined> {
  try {
    return await readRevocation(bucket, certificate);
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    return { requests: undefined, fault: error };
  }
}
