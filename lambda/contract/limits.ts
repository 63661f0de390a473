/**
 * How large each object of the bucket may be. A reader refuses a larger one before it spends memory on it, and a writer does not
 * write it; docs/bucket.md has the table.
 */
const KIB = 1024;
const MIB = 1024 * KIB;

/** 10,000 RSA and ECDSA pairs with OCSP responses and their previous publications take 31.6 MiB. */
export const MAX_MANIFEST_BYTES = 32 * MIB;
/** A part of a large manifest: one of ordinary certificates has some 20,000. */
export const MAX_SHARD_BYTES = MIB;
/** Combined PEM: leaf, intermediates, key. */
export const MAX_PEM_BYTES = 64 * KIB;
/** A DER response with the responder's certificate has some 2,000. */
export const MAX_OCSP_BYTES = 64 * KIB;
/** A host leaves served files out of a report that would be larger: `unlisted` in host-status.ts. */
export const MAX_STATUS_BYTES = MIB;

/** Of the agent: some 45 MB. */
const MAX_TARBALL_BYTES = 128 * MIB;
/** A file that a configuration names: trust anchors, an HMAC key. */
export const MAX_NAMED_BYTES = 4 * MIB;
/** What is read of a file of the system, or of another program: /etc/passwd, HAProxy's configuration and crt-lists. */
export const MAX_FOREIGN_BYTES = 16 * MIB;
/** One answer of HAProxy: what it shows of 10,000 certificates takes some 2 MiB. */
export const MAX_RUNTIME_ANSWER_BYTES = 16 * MIB;
/** An answer of an AWS service but S3. */
export const MAX_AWS_ANSWER_BYTES = 8 * MIB;

/** By key; the first that fits. */
const LIMITS: readonly [pattern: RegExp, maxBytes: number][] = [
  [/^published\/[^/]+\/(manifest|root)\.json$/, MAX_MANIFEST_BYTES],
  [/^published\/[^/]+\/shard\//, MAX_SHARD_BYTES],
  [/^published\/.*\.pem$/, MAX_PEM_BYTES],
  [/^published\/.*\.ocsp$/, MAX_OCSP_BYTES],
  [/^status\//, MAX_STATUS_BYTES],
  [/^challenge\//, 4 * KIB],
  [/^agent\/release\.json$/, 64 * KIB],
  [/^agent\/[0-9a-f]{64}\.tar\.gz$/, MAX_TARBALL_BYTES],
  [/^issuer\/account\//, 64 * KIB],
  [/^issuer\/garbage\//, 16 * MIB],
  [/^issuer\/status-page\.html$/, 16 * MIB],
  [/^issuer\/audit\//, 4 * MIB],
  [/^issuer\/served\//, 16 * MIB],
  [/^issuer\/tombstones\//, MAX_MANIFEST_BYTES],
  [/^issuer\/summary\//, 64 * MIB],
  [/^issuer\/(host-book|wrong-names|notified)\.json$/, 16 * MIB],
  [/^issuer\/(renewal-info|ca-state)\.json$/, 32 * MIB],
  [/^issuer\/replace\.json$/, 8 * MIB],
];

/** Order records, probes. */
const OTHER_BYTES = MIB;

export function maxBytesOf(key: string): number {
  return LIMITS.find(([pattern]) => pattern.test(key))?.[1] ?? OTHER_BYTES;
}

/** Keys of one listing, for example the hosts of a fleet. */
export const MAX_LISTED_KEYS = 50_000;
