/**
 * Judges an entry that this issuer has not made: an older issuer wrote it into `manifest.json`, which whoever may write to `published/` can
 * write too. So it counts only if nobody but a configured CA can have made it for whoever controls the names: names and key types as
 * configured, a chain to a CA that is known, and younger than all that the issuer has signed or ended. What it claims counts for nothing.
 */

import type { X509Certificate } from 'node:crypto';
import { DAY_MS, MINUTE_MS } from '#common/time.ts';
import { digest, keyTypeOf, verify } from '#contract/combined-pem.ts';
import { isObjectFault, messageOf, PemRejected } from '#contract/errors.ts';
import type { FleetName } from '#contract/layout.ts';
import { acmeOriginOf, type ManifestEntry, type Tombstone } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { type AcmeSettings, configuredCas } from '../config/acme.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import { exactSet } from '../config/identifier.ts';
import { checkOnlyOrdered } from '../order/leaf-names.ts';
import type { Obtained } from '../order/verify-issued.ts';
import { pemRefOf, readPem } from '../publication/entry.ts';
import type { PemText } from '../publication/publisher.ts';
import { publicChainProblem } from './public-chain.ts';

/** What the issuer itself has signed and ended: the entry has to be younger. */
export interface OwnWord {
  /** What the roots of its fleets have under the name. */
  published: readonly ManifestEntry[];
  /** Of the name: in these roots, and in the issuer's own memory. */
  tombstones: readonly Tombstone[];
  /** When these roots were last signed; absent: there is none. */
  signedAt?: string | undefined;
}

export interface ForeignRules {
  bucket: Bucket;
  fleet: FleetName;
  /** Undefined: the configuration does not name it. */
  spec: CertificateSpec | undefined;
  config: Pick<Config, 'acme' | 'fallback'>;
  own: OwnWord;
  /** @returns whether a signed entry has this intermediate */
  isKnownIntermediate(fingerprint: string): Promise<boolean>;
  now: Date;
  /** PEM. Default: those that browsers trust. */
  publicRoots?: readonly string[] | undefined;
}

/** Either an entry that the issuer may sign, with its PEMs, or why it may not. */
export type Judgement = { entry: ManifestEntry; texts: PemText[] } | { refused: string };

/** Clocks may differ by so much. */
const SKEW_MS = 5 * MINUTE_MS;
/** CAs date a certificate back: Let's Encrypt by an hour, ZeroSSL to the start of the day. */
const BACKDATED_MS = DAY_MS;
/** Characters. */
const MAX_URL = 1000;

/** @throws BucketError */
export async function judgeForeignEntry(entry: ManifestEntry, rules: ForeignRules): Promise<Judgement> {
  const { spec, fleet, own } = rules;
  if (!spec?.fleets.includes(fleet)) return { refused: 'is not configured for this fleet' };
  const ca = caOf(entry, rules);
  if (ca === undefined) return { refused: 'is of no configured CA' };
  const claimed = claimProblem(entry, spec, rules.now) ?? endedProblem(entry, own);
  if (claimed !== undefined) return { refused: claimed };
  try {
    return await judgePems(entry, spec, ca, rules);
  } catch (error) {
    if (error instanceof PemRejected || isObjectFault(error)) return { refused: messageOf(error) };
    throw error;
  }
}

function caOf(entry: ManifestEntry, { config }: ForeignRules): AcmeSettings | undefined {
  const origin = acmeOriginOf(entry);
  return configuredCas(config).find(({ directoryUrl }) => directoryUrl === origin?.directoryUrl);
}

function claimProblem(
  { identifiers, issued, publishedAt, pems }: ManifestEntry,
  spec: CertificateSpec,
  now: Date,
): string | undefined {
  if ((acmeOriginOf({ issued })?.accountUrl.length ?? 0) > MAX_URL) return 'has too long an account URL';
  if (exactSet(identifiers) !== exactSet(spec.identifiers)) return 'has other names than are configured';
  if (pems.length !== spec.keyTypes.length) return 'has other key types than are configured';
  const isEarly = Date.parse(publishedAt) > now.getTime() + SKEW_MS;
  return isEarly ? 'says that it was published in the future' : undefined;
}

function endedProblem({ pems }: ManifestEntry, { tombstones }: OwnWord): string | undefined {
  const ended = new Map(tombstones.flatMap(({ pems, reason }) => pems.map((pem) => [pem.sha256, reason])));
  const [reason] = pems.flatMap(({ sha256 }) => ended.get(sha256) ?? []);
  return reason === undefined ? undefined : `was ended (${reason})`;
}

async function judgePems(
  entry: ManifestEntry,
  spec: CertificateSpec,
  ca: AcmeSettings,
  rules: ForeignRules,
): Promise<Judgement> {
  const { bucket, fleet, own, now } = rules;
  const obtained: Obtained[] = [];
  for (const { sha256 } of entry.pems) {
    const { text } = await readPem(bucket, fleet, spec.name, { sha256 });
    const pem = verify(text, { identifiers: spec.identifiers, sha256 }, now);
    checkOnlyOrdered(pem, spec.identifiers, ca);
    const problem =
      timeProblem(new Date(pem.leaf.validFrom), own) ?? (await chainProblem({ text, pem }, rules));
    if (problem !== undefined) return { refused: problem };
    obtained.push({ text, pem });
  }
  const keyTypes = obtained.map(({ pem }) => keyTypeOf(pem.leaf.publicKey)).sort();
  if (keyTypes.join() !== spec.keyTypes.join()) return { refused: 'has other key types than are configured' };
  const pems = obtained.map(pemRefOf);
  const texts = obtained.map(({ text }, index) => ({ text, sha256: pems[index]?.sha256 ?? '' }));
  return { entry: ownEntry(entry, spec, ca, pems), texts };
}

/**
 * A digest tells of bytes, and the same certificate has many forms: another end of its chain gives another digest. So what was replaced or
 * ended is kept out by its time: a certificate that is to take its place has to be issued after that.
 */
function timeProblem(notBefore: Date, { published, tombstones, signedAt }: OwnWord): string | undefined {
  // A sequence is the time of its commit, or later: a certificate that an operator put back is younger than the one before it.
  const times = published.flatMap(({ publishedAt, sequence = 0 }) => [Date.parse(publishedAt), sequence]);
  const from = notBefore.getTime();
  if (times.some((time) => from <= time)) return 'is not younger than what is published';
  if (tombstones.some(({ at }) => from <= Date.parse(at))) return 'was issued before the name was ended';
  const isOld = signedAt !== undefined && from < Date.parse(signedAt) - BACKDATED_MS;
  return isOld ? 'was issued before this issuer last signed' : undefined;
}

async function chainProblem({ text, pem }: Obtained, rules: ForeignRules): Promise<string | undefined> {
  const [intermediate, ...rest] = pem.chain.slice(1);
  if (intermediate === undefined || ![intermediate, ...rest].every(({ ca }) => ca)) {
    return 'has a chain with a certificate that is no CA';
  }
  if (await rules.isKnownIntermediate(fingerprintOf(intermediate))) return undefined;
  const problem = await publicChainProblem(text, rules.publicRoots);
  return (
    problem && `comes from a CA of which nothing is published, and that browsers do not trust: ${problem}`
  );
}

/** SHA-256 of a certificate. */
export function fingerprintOf({ raw }: X509Certificate): string {
  return digest(raw);
}

/** As configured, and as the PEMs are: of the claims, only those remain that change nothing of what is served. */
function ownEntry(
  { issued, publishedAt }: ManifestEntry,
  spec: CertificateSpec,
  { directoryUrl, preferredChain }: AcmeSettings,
  pems: ManifestEntry['pems'],
): ManifestEntry {
  const claimed = acmeOriginOf({ issued });
  const profile = claimed?.profile === spec.profile ? spec.profile : undefined;
  const chain = claimed?.preferredChain === preferredChain ? preferredChain : undefined;
  return {
    identifiers: spec.identifiers,
    publishedAt,
    issued: { directoryUrl, accountUrl: claimed?.accountUrl ?? '', profile, preferredChain: chain },
    pems,
    haproxy: spec.haproxy,
  };
}
