/** Names that files of others have, too: HAProxy hands out one of the two, and only a handshake for just this name shows which. */

import type { DesiredFile } from '../desired/files.ts';
import { servedNames } from '../desired/overlap.ts';
import { filtersIn } from '../haproxy/crt-list-line.ts';
import type { Runtime } from '../haproxy/runtime.ts';
import type { Strangers } from '../haproxy/view.ts';

/** Of a certificate with hundreds of such names, these are asked for. */
const MAX_NAMES = 20;

/** @param strangerNames in lower case, with the file that has them */
export function withContested(
  files: readonly DesiredFile[],
  strangerNames: ReadonlyMap<string, string> = new Map(),
): DesiredFile[] {
  if (strangerNames.size === 0) return [...files];
  return files.map((desired) => {
    const shadowed = new Set(desired.shadows?.map(({ name }) => name));
    const isContested = (name: string) => strangerNames.has(name) && !shadowed.has(name);
    const contested = servedNames(desired).filter(isContested).slice(0, MAX_NAMES);
    return contested.length > 0 ? { ...desired, contested } : desired;
  });
}

/** Of more than these, the first in HAProxy's order: a description takes HAProxy 25 µs. */
const MAX_STRANGERS = 1000;

/** @returns by name in lower case, one of the files that have it */
export async function namesOfStrangers(runtime: Runtime, strangers: Strangers): Promise<Map<string, string>> {
  const some = [...strangers].slice(0, MAX_STRANGERS);
  const names = new Map<string, string>();
  const unfiltered: string[] = [];
  for (const [filename, entries] of some) {
    // What a line filters is handed out for these names, whatever the certificate says.
    const filters = entries.flatMap(({ tail }) => filtersIn(tail)).filter((word) => !word.startsWith('!'));
    for (const name of filters) names.set(name.toLowerCase(), filename);
    if (filters.length === 0) unfiltered.push(filename);
  }
  for (const [filename, shown] of await runtime.showCertificates(unfiltered)) {
    for (const name of namesIn(shown?.subjectNames ?? '')) names.set(name, filename);
  }
  return names;
}

function namesIn(subjectNames: string): string[] {
  return subjectNames
    .split(', ')
    .filter((name) => name.startsWith('DNS:'))
    .map((name) => name.slice('DNS:'.length).toLowerCase());
}
