/**
 * The versions of HAProxy that a file of test/parts is tried with. `npm run test:parts` takes one of them, because a row costs the same for
 * each; test/long/versions tries the same files with the others, one of them today.
 */
import { shareOf } from '../turn.ts';
import { type HaproxyVersion, haproxyVersions } from './haproxy.ts';

const OF_PARTS: HaproxyVersion = '3.2';

let tested: readonly HaproxyVersion[] = [OF_PARTS];

export function testedVersions(): readonly HaproxyVersion[] {
  return tested;
}

/** @param files paths below test/parts, without `.test.ts` */
export async function testOtherVersions(...files: readonly string[]): Promise<void> {
  const others = haproxyVersions.filter((version) => version !== OF_PARTS);
  tested = shareOf(others, others.length);
  await Promise.all(
    files.map((file) => import(new URL(`../../parts/${file}.test.ts`, import.meta.url).href)),
  );
}
