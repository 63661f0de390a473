/**
 * Never staging by accident: a certificate that browsers trust is not replaced by one that they do not, unless the operator says so. What a
 * staging environment would issue is not even ordered; of a CA that nobody knows, the chain that it has issued is judged.
 */
import { canonicalIdentifier, digest } from '#contract/combined-pem.ts';
import { isObjectFault } from '#contract/errors.ts';
import { type CertificateName, type FleetName, layout } from '#contract/layout.ts';
import { acmeOriginOf, type ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import { coversName } from '../config/identifier.ts';
import { isPublic, isStaging } from '../config/known-cas.ts';
import type { PublishedFleets } from '../publication/publisher.ts';
import { publicChainProblem } from '../upgrade/public-chain.ts';

/** A certificate as one fleet has it. */
export interface CertificateInFleet {
  fleet: FleetName;
  name: CertificateName;
  entry: ManifestEntry;
}

export interface TrustSource {
  bucket: Pick<Bucket, 'get'>;
  /** Roots that browsers trust, PEM; default: those that Node.js has of Mozilla. */
  trustedRoots?: readonly string[] | undefined;
  now: () => Date;
  /** Of a CA that is in no table, as it was once judged: tells for what the bucket has lost. */
  isTrustedCa?: ((directoryUrl: string) => boolean) | undefined;
  /** SHA-256 of PEMs that their CA has revoked: they protect nobody. */
  revoked?: ReadonlySet<string> | undefined;
}

/** What browsers trust of everything that is published, in whichever fleet and under whichever name. */
export class TrustedCertificates {
  readonly #source: TrustSource;
  readonly #manifests: PublishedFleets['manifests'];
  /** Made when it is first needed: most passes ask nothing. */
  #byIdentifier: Map<string, CertificateInFleet[]> | undefined;
  readonly #judged = new Map<ManifestEntry, Promise<boolean>>();

  constructor(source: TrustSource, manifests: PublishedFleets['manifests']) {
    this.#source = source;
    this.#manifests = manifests;
  }

  /** @returns whether one that is in force has one of these names. @throws BucketError */
  async haveOneOf(names: readonly string[]): Promise<boolean> {
    for (const name of names) {
      for (const one of this.#holdersOf(name)) if (await this.has(one)) return true;
    }
    return false;
  }

  /** @returns whether it is in force, and browsers trust it. @throws BucketError */
  has(one: CertificateInFleet): Promise<boolean> {
    const judged = this.#judged.get(one.entry) ?? this.#judge(one);
    this.#judged.set(one.entry, judged);
    return judged;
  }

  async #judge({ fleet, name, entry }: CertificateInFleet): Promise<boolean> {
    const { bucket, isTrustedCa, now, revoked, trustedRoots } = this.#source;
    const [pem] = entry.pems;
    if (pem === undefined || entry.pems.some(({ sha256 }) => revoked?.has(sha256))) return false;
    if (Date.parse(pem.notAfter) <= now().getTime()) return false;
    const { directoryUrl } = acmeOriginOf(entry) ?? {};
    if (directoryUrl !== undefined && isStaging(directoryUrl)) return false;
    // Of ten thousand certificates, none is read for it; a PEM that the bucket has lost is served all the same.
    if (directoryUrl !== undefined && isPublic(directoryUrl)) return true;
    const text = await readText(bucket, layout.pem(fleet, name, pem.sha256), pem.sha256);
    if (text === undefined) return directoryUrl !== undefined && (isTrustedCa?.(directoryUrl) ?? false);
    return (await publicChainProblem(text, trustedRoots)) === undefined;
  }

  #holdersOf(name: string): readonly CertificateInFleet[] {
    this.#byIdentifier ??= byIdentifier(this.#manifests);
    const wanted = canonicalIdentifier(name);
    const wildcard = `*${wanted.slice(wanted.indexOf('.'))}`;
    const all = [wanted, wildcard].flatMap((held) => this.#byIdentifier?.get(held) ?? []);
    return all.filter(({ entry }) => entry.identifiers.some((held) => coversName(held, name)));
  }
}

function byIdentifier(manifests: PublishedFleets['manifests']): Map<string, CertificateInFleet[]> {
  const all = new Map<string, CertificateInFleet[]>();
  for (const [fleet, read] of manifests) {
    for (const [name, entry] of Object.entries(read?.manifest.certificates ?? {})) {
      const one = { fleet, name: name as CertificateName, entry };
      for (const identifier of entry.identifiers) {
        const key = canonicalIdentifier(identifier);
        const before = all.get(key);
        if (before === undefined) all.set(key, [one]);
        else before.push(one);
      }
    }
  }
  return all;
}

/** @returns undefined if it is lost or altered */
async function readText(
  bucket: Pick<Bucket, 'get'>,
  key: string,
  sha256: string,
): Promise<string | undefined> {
  const body = await bucket.get(key).then(
    (object) => object?.body,
    (error: unknown) => {
      if (isObjectFault(error)) return undefined;
      throw error;
    },
  );
  return body !== undefined && digest(body) === sha256 ? body.toString('utf8') : undefined;
}
