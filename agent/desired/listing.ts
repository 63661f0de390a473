/** What each file's lines in a crt-list are to say: which options and filters, or none at all. */
import { listingProblem } from '#contract/crt-list.ts';
import { type Listing, type Tails, tailOf } from '../haproxy/crt-list-line.ts';
import type { DesiredFile } from './files.ts';

/** The issuer has checked the line, but a bucket is no proof of it: one that no HAProxy may read is the fault of its certificate. */
export function withCheckedLine(desired: DesiredFile): DesiredFile {
  const lineProblem = desired.listing && listingProblem(desired.listing);
  return lineProblem === undefined ? desired : { ...desired, listing: undefined, lineProblem };
}

/** The tails that each file is to have in a crt-list file: one that the manifest does not name keeps those that it has. */
export function desiredTailsByFile(
  files: Iterable<string>,
  desired: readonly DesiredFile[],
  listed: Tails | undefined,
): Map<string, readonly string[]> {
  const tails = new Map([...files].map((file) => [file, desiredTails(undefined, listed?.get(file))]));
  for (const { file, listing } of desired) tails.set(file, desiredTails(listing, listed?.get(file)));
  return tails;
}

/** As the manifest says; where it says nothing, as the crt-list file has it already. */
export function desiredTails(
  listing: Listing | undefined,
  onDisk: readonly string[] = [],
): readonly string[] {
  if (listing !== undefined) return [tailOf(listing)];
  return onDisk.length > 0 ? onDisk : [''];
}
