/**
 * What the issuer has ended by a tombstone: a host remembers it until the PEMs have expired, so that an older manifest, put back under
 * a higher sequence, does not bring them back.
 */
import * as z from 'zod';
import { dateTime } from '#contract/document.ts';
import { certificateName, sha256Hex } from '#contract/layout.ts';
import { type EndingWord, type Manifest, type Tombstone, wordOf } from '#contract/manifest.ts';
import { sequenceNumber } from '#contract/receipt.ts';

const endedPem = z.looseObject({
  /** As in the tombstone. */
  reason: z.string(),
  at: dateTime,
  by: z.array(certificateName).optional(),
  /** Of the first manifest with this tombstone. An entry of a higher one brings the PEM back. */
  sequence: sequenceNumber,
  notAfter: dateTime,
});

/** By certificate and digest. */
export const endedPems = z.record(z.string(), z.record(sha256Hex, endedPem));

export type PemEnd = z.infer<typeof endedPem>;
export type EndedPems = z.infer<typeof endedPems>;

/** @returns `ended` itself where the manifest has nothing new */
export function withTombstones(ended: EndedPems | undefined, manifest: Manifest, now: Date): EndedPems {
  const before = ended ?? {};
  const after = new Map<string, Map<string, PemEnd>>();
  let isChanged = false;
  for (const [name, pems] of Object.entries(before)) {
    const kept = Object.entries(pems).filter(([, { notAfter }]) => !hasPassed(notAfter, manifest, now));
    if (kept.length > 0) after.set(name, new Map(kept));
    isChanged ||= kept.length < Object.keys(pems).length;
  }
  for (const [name, tombstone] of Object.entries(manifest.tombstones ?? {})) {
    for (const pem of tombstone.pems) {
      const { sha256, notAfter } = pem;
      const word = wordOf(tombstone, pem);
      if (isSameWord(before[name]?.[sha256], word) || hasPassed(notAfter, manifest, now)) continue;
      const ofName = after.get(name) ?? new Map<string, PemEnd>();
      const sequence = manifest.sequence ?? 1;
      after.set(name, ofName.set(sha256, { ...word, sequence, notAfter }));
      isChanged = true;
    }
  }
  if (!isChanged) return before;
  return Object.fromEntries([...after].map(([name, pems]) => [name, Object.fromEntries(pems)]));
}

/** What took its place counts, too: the issuer may name it later, at the time of the first word. */
function isSameWord(known: PemEnd | undefined, { reason, at, by = [] }: EndingWord): boolean {
  return known?.at === at && known.reason === reason && (known.by ?? []).join() === by.join();
}

/** Of what two places remember, the later word. @returns `a` itself where `b` has nothing more */
export function mergeEnded(a: EndedPems | undefined, b: EndedPems | undefined): EndedPems | undefined {
  const later = Object.entries(b ?? {}).flatMap(([name, pems]) => {
    const isLater = ([sha256, pem]: [string, PemEnd]) => pem.sequence > (a?.[name]?.[sha256]?.sequence ?? 0);
    const found = Object.entries(pems).filter(isLater);
    return found.length === 0 ? [] : [[name, { ...a?.[name], ...Object.fromEntries(found) }] as const];
  });
  return later.length === 0 ? a : { ...a, ...Object.fromEntries(later) };
}

/** Whether an entry of the manifest is not to be installed: its own tombstone wins over it, and so does a remembered one that is not older. */
export function isEntryEnded(
  {
    certificate,
    sha256,
    sequence = 0,
  }: { certificate: string; sha256: string; sequence?: number | undefined },
  ended: EndedPems,
  tombstones: Readonly<Record<string, Tombstone>> | undefined,
): boolean {
  const isNamed = tombstones?.[certificate]?.pems.some((pem) => pem.sha256 === sha256) ?? false;
  return isNamed || (ended[certificate]?.[sha256]?.sequence ?? -1) >= sequence;
}

/** By digest: of a PEM on disk that no entry names, the digest tells which one is meant, under whatever name. */
export function endsByDigest(ended: EndedPems): Map<string, PemEnd[]> {
  const ends = new Map<string, PemEnd[]>();
  for (const pems of Object.values(ended)) {
    for (const [sha256, pem] of Object.entries(pems)) ends.set(sha256, [...(ends.get(sha256) ?? []), pem]);
  }
  return ends;
}

/**
 * Whether a time has passed for the issuer, who signs the time, and for this host: a clock that is ahead, here or there, ends nothing.
 * A manifest of version 1 tells the time of its last change.
 */
export function hasPassed(time: string | Date, { signedAt, updatedAt }: Manifest, now: Date): boolean {
  const end = new Date(time).getTime();
  return end <= Date.parse(signedAt ?? updatedAt) && end <= now.getTime();
}
