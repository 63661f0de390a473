/** The lowest sequence that a host takes, when the state that knew it is lost: each of our files has a receipt with its sequence. */
import type { FleetName } from '#contract/layout.ts';
import { type ReceiptClaims, readReceipt } from '#contract/receipt.ts';
import type { PublicKey } from '#contract/statement.ts';
import type { SequenceFloor, TrustRecord } from './record.ts';

/** @returns none where no receipt is of this fleet and signed by a key that the host has trusted */
export function floorFromReceipts(
  receipts: readonly string[],
  { fleet, lineage }: { fleet: FleetName; lineage: string },
  { trusted, formerKeys }: TrustRecord,
): SequenceFloor[] {
  const keys: readonly PublicKey[] = [trusted.key, ...formerKeys];
  return receipts.flatMap((text) => {
    const receipt = readOrNone(text);
    if (receipt === undefined || receipt.claims.fleet !== fleet || !keys.includes(receipt.key)) return [];
    return [{ lineage, sequence: receipt.claims.sequence, key: receipt.key }];
  });
}

/** One broken receipt says nothing, and spoils no other. */
function readOrNone(text: string): { claims: ReceiptClaims; key: PublicKey } | undefined {
  try {
    return readReceipt(text);
  } catch {
    return undefined;
  }
}
