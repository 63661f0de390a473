/**
 * What an operator's `withdraw` means: in which fleets a name is published and not configured, and which PEMs there are of it. A name that is
 * configured is refused, because the next pass would publish it again. Changes nothing.
 */
import { ContractError } from '#contract/errors.ts';
import type { HostStatus } from '#contract/host-status.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { Manifest, ManifestEntry } from '#contract/manifest.ts';
import { readReceipt } from '#contract/receipt.ts';
import { StatementRefused } from '#contract/statement.ts';
import type { Config } from '../config/config.ts';
import { coversName } from '../config/identifier.ts';
import type { OwnKeys } from './read-manifest.ts';
import { type EndedPem, endedPemOf, unitePems } from './tombstones.ts';

/** What is known of one name in one fleet. */
export interface PublishedName {
  fleet: FleetName;
  name: CertificateName;
  /** Absent: the manifest does not name it. */
  entry?: ManifestEntry | undefined;
  /** Valid PEMs that no tombstone has ended. */
  pems: readonly EndedPem[];
  isConfigured: boolean;
  /** When a tombstone of the fleet ended it; absent: none has. */
  endedAt?: string | undefined;
  /** Valid PEMs that a tombstone has ended without a word that their keys are stolen: hosts may keep copies. */
  endedPems?: readonly EndedPem[] | undefined;
}

/** What is to be done with one name. */
export type WithdrawalPlan =
  | { kind: 'withdraw'; from: PublishedName[]; stays: FleetName[] }
  /** In these fleets, and nothing else is left of it. */
  | { kind: 'ended'; from: PublishedName[] }
  /** It is still named, and hosts remove it by themselves. */
  | { kind: 'expired' }
  | { kind: 'configured'; fleets: FleetName[] }
  | { kind: 'unknown' };

/**
 * @param found of this one name, in the fleets that the operator means
 * @param isStolen what has ended without that word ends again, with it
 */
export function planWithdrawal(found: readonly PublishedName[], isStolen = false): WithdrawalPlan {
  const configured = found.filter(({ isConfigured }) => isConfigured).map(({ fleet }) => fleet);
  const free = found.filter(({ isConfigured }) => !isConfigured);
  const from = free
    .map((one) => (isStolen ? { ...one, pems: unitePems(one.pems, one.endedPems ?? []) } : one))
    .filter(({ pems }) => pems.length > 0);
  if (from.length > 0) return { kind: 'withdraw', from, stays: configured };
  const ended = free.filter(({ endedAt }) => endedAt !== undefined);
  if (ended.length > 0) return { kind: 'ended', from: ended };
  if (free.some(({ entry }) => entry !== undefined)) return { kind: 'expired' };
  return configured.length > 0 ? { kind: 'configured', fleets: configured } : { kind: 'unknown' };
}

export function isConfiguredIn(config: Config, fleet: FleetName, name: CertificateName): boolean {
  return config.certificates.some((spec) => spec.name === name && spec.fleets.includes(fleet));
}

/** Names that no other valid certificate of the manifest has: visitors of theirs get none any more. */
export function namesWithoutOther(manifest: Manifest, going: readonly PublishedName[], now: Date): string[] {
  const names = new Set(going.map(({ name }) => name));
  const others = Object.entries(manifest.certificates)
    .filter(([name]) => !names.has(name as CertificateName))
    .filter(([, { pems }]) => pems.every(({ notAfter }) => new Date(notAfter) > now))
    .flatMap(([, { identifiers }]) => identifiers);
  const own = going.flatMap(({ entry }) => entry?.identifiers ?? []);
  return [...new Set(own)].filter((name) => !others.some((other) => coversName(other, name)));
}

/**
 * Files that hosts keep though nothing names them, as far as our own receipts prove it. A receipt of another fleet counts, too: the host was
 * in that fleet before.
 */
export function unlistedPems(
  statuses: readonly HostStatus[],
  name: CertificateName,
  keys: OwnKeys,
): EndedPem[] {
  const receipts = statuses.flatMap(({ files }) =>
    files.flatMap(({ isUnlisted, certificate, receipt }) =>
      isUnlisted && certificate === name && receipt !== undefined ? [receipt] : [],
    ),
  );
  return unitePems([...new Set(receipts)].flatMap((receipt) => provedPem(receipt, name, keys)));
}

function provedPem(receipt: string, name: CertificateName, keys: OwnKeys): EndedPem[] {
  try {
    const { claims, key } = readReceipt(receipt);
    return keys.isOurs(key) && claims.name === name ? [endedPemOf(claims)] : [];
  } catch (error) {
    if (error instanceof StatementRefused || error instanceof ContractError) return [];
    throw error;
  }
}
