/**
 * What a thief of the issuer's key has left in the records of this host: sequences at their end would outrank all that the issuer
 * publishes after its recovery.
 */
import type { Manifest } from '#contract/manifest.ts';
import type { EndedPems } from '../state/ended.ts';
import type { FileRecord } from '../state/file-record.ts';
import type { AgentState } from '../state/state.ts';
import type { TrustRecord } from '../trust/record.ts';

/**
 * Once the recovery key has spoken, sequences above the manifest's own count up to its statement, above which the issuer goes on.
 * @returns `state` itself where there are none
 */
export function withCappedSequences(
  state: AgentState,
  manifest: Manifest | undefined,
  trust: TrustRecord | undefined,
): AgentState {
  const { recoveredAt = 0 } = trust?.trusted ?? {};
  const { sequence: highest = 0 } = manifest ?? {};
  // Until the first manifest after the recovery, nobody knows how far the issuer is.
  if (recoveredAt === 0 || highest <= recoveredAt) return state;
  const cap = <T extends { sequence: number }>(one: T): T =>
    one.sequence > highest ? { ...one, sequence: recoveredAt } : one;
  const capped = [...state.files].map(([file, record]) => [file, cappedRecord(record, cap)] as const);
  const files = state.files.with(capped);
  const ended = cappedEnds(state.ended, highest, cap);
  return files === state.files && ended === state.ended ? state : { ...state, files, ended };
}

type Cap = <T extends { sequence: number }>(one: T) => T;

function cappedRecord(record: FileRecord, cap: Cap): FileRecord {
  const receipts = record.receipts?.map(cap);
  const isSame = receipts?.every((one, index) => one === record.receipts?.[index]) ?? true;
  return isSame ? record : { ...record, receipts };
}

function cappedEnds(ended: EndedPems | undefined, highest: number, cap: Cap): EndedPems | undefined {
  const isBeyond = Object.values(ended ?? {}).some((pems) =>
    Object.values(pems).some(({ sequence }) => sequence > highest),
  );
  if (ended === undefined || !isBeyond) return ended;
  return Object.fromEntries(
    Object.entries(ended).map(([name, pems]) => [
      name,
      Object.fromEntries(Object.entries(pems).map(([sha256, pem]) => [sha256, cap(pem)])),
    ]),
  );
}
