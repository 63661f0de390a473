/** Makes today's key known in the SSM parameter of hosts: after the roots are signed with it, so that no host waits for one. */
import type { FleetName } from '#contract/layout.ts';
import type { PublicKey } from '#contract/statement.ts';
import { type AnnouncedTrust, serializeAnnouncedTrust } from '#contract/trust.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readSignedRoots } from './signed-roots.ts';
import type { Signing } from './signing-key.ts';
import type { TrustParameter } from './trust-parameter.ts';

/** What the parameter said before a pass. */
export interface Announced {
  trust?: AnnouncedTrust | undefined;
  /** Why it cannot be read. */
  error?: unknown;
}

/** A parameter that cannot be read stops no renewal: the pass says so at its end. */
export async function readAnnounced(parameter: TrustParameter | undefined): Promise<Announced> {
  if (parameter === undefined) return {};
  return parameter.read().then(
    (trust) => ({ trust }),
    (error: unknown) => ({ error }),
  );
}

/**
 * Writes nothing where nothing differs, and nothing while a fleet has a root of an earlier key of ours: its hosts find today's from that
 * one. Anybody who may write to a folder of `published/` can leave a root of another key there: it says nothing.
 * @throws ContractError `ERR_TRUST_PARAMETER`; BucketError
 */
export async function announceKey(
  parameter: TrustParameter,
  { trust, error }: Announced,
  signing: Signing,
  where: { bucket: Bucket; fleets: readonly FleetName[] },
): Promise<void> {
  if (error !== undefined) throw error;
  const { lineage, signer, recoveryKey } = signing;
  const wanted: AnnouncedTrust = { lineage, key: signer.key, recoveryKey };
  if (trust !== undefined && serializeAnnouncedTrust(trust) === serializeAnnouncedTrust(wanted)) return;
  const roots = await readSignedRoots(where.bucket, where.fleets);
  const isEarlier = (key: PublicKey) => key !== signer.key && signing.isOurs(key);
  if (!roots.some(({ key }) => isEarlier(key))) await parameter.write(wanted);
}
