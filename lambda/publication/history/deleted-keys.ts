/** What the issuer says of private keys that it deletes: the history from when they are gone, the audit trail by whose word. */
import { inParallel } from '#common/in-parallel.ts';
import { isObjectFault } from '#contract/errors.ts';
import { type CertificateName, certificateName, type FleetName, layout } from '#contract/layout.ts';
import type { Pass } from '../../pass.ts';
import { readStoredPem } from '../published-pems.ts';
import { noteKeysDeleted } from './history.ts';

const AT_ONCE = 10;
const PEM = /\/([^/]+)\/([0-9a-f]{64})\.pem$/;

/** @param keys of the bucket, also such as are no PEMs. @throws BucketError */
export async function noteDeletedKeys(
  { bucket, audit }: Pick<Pass, 'bucket' | 'audit'>,
  fleet: FleetName,
  keys: readonly string[],
  { at, reason }: { at: Date; reason: string },
): Promise<void> {
  const facts = await inParallel(
    [...digestsByName(fleet, keys)],
    AT_ONCE,
    async ([certificate, sha256s]) => {
      const before = await noteKeysDeleted(bucket, [fleet, certificate], sha256s, {
        at,
        leafOf: (sha256) => leafOf(bucket, layout.pem(fleet, certificate, sha256)),
      });
      const action = 'key-deleted';
      return { action, fleet, certificate, ...(before.length > 0 && { before }), reason };
    },
    ([certificate]) => certificate,
  );
  await audit?.record(facts);
}

async function leafOf(bucket: Pass['bucket'], key: string) {
  try {
    return (await readStoredPem(bucket, key))?.leaf;
  } catch (error) {
    if (isObjectFault(error)) return undefined;
    throw error;
  }
}

function digestsByName(fleet: FleetName, keys: readonly string[]): Map<CertificateName, Set<string>> {
  const byName = new Map<CertificateName, Set<string>>();
  for (const key of keys) {
    const [, folder, sha256 = ''] = PEM.exec(key) ?? [];
    const name = certificateName.safeParse(folder).data;
    if (name === undefined || layout.pem(fleet, name, sha256) !== key) continue;
    byName.set(name, (byName.get(name) ?? new Set()).add(sha256));
  }
  return byName;
}
