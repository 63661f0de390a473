/** The intermediates of certificates that this issuer has signed for: what comes from one of them comes from a CA that it works with. */
import { parse } from '#contract/combined-pem.ts';
import { isObjectFault, PemRejected } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { SignedManifest } from '#contract/root.ts';
import type { Bucket } from '#storage/bucket.ts';
import { readPem } from '../publication/entry.ts';
import { fingerprintOf } from './foreign-entry.ts';

/** Of thousands of certificates, a few hundred have all intermediates. */
const MAX_READ = 300;

interface SignedPem {
  fleet: FleetName;
  name: CertificateName;
  sha256: string;
  publishedAt: string;
}

/** Reads as many PEMs as the answer takes, and none twice. */
export class KnownIntermediates {
  readonly #bucket: Bucket;
  readonly #unread: SignedPem[];
  readonly #known = new Set<string>();

  /** @param roots with our own signature, of all fleets */
  constructor(bucket: Bucket, roots: readonly SignedManifest[]) {
    this.#bucket = bucket;
    const all = roots.flatMap(({ fleet, certificates }) =>
      Object.entries(certificates).flatMap(([name, { pems, publishedAt }]) =>
        pems.map(({ sha256 }) => ({ fleet, name: name as CertificateName, sha256, publishedAt })),
      ),
    );
    // The newest come from where the next ones come from.
    this.#unread = all.sort((a, b) => (a.publishedAt < b.publishedAt ? 1 : -1)).slice(0, MAX_READ);
  }

  /** @param fingerprint as `fingerprintOf` makes it. @throws BucketError where the store is out of reach */
  async has(fingerprint: string): Promise<boolean> {
    while (!this.#known.has(fingerprint)) {
      const next = this.#unread.shift();
      if (next === undefined) return false;
      for (const one of await this.#intermediatesOf(next)) this.#known.add(one);
    }
    return true;
  }

  /** The digest is signed, so the bytes are what was published; a PEM that is lost says nothing. */
  async #intermediatesOf({ fleet, name, sha256 }: SignedPem): Promise<string[]> {
    try {
      const { text } = await readPem(this.#bucket, fleet, name, { sha256 });
      return parse(text).chain.slice(1).map(fingerprintOf);
    } catch (error) {
      if (error instanceof PemRejected || isObjectFault(error)) return [];
      throw error;
    }
  }
}
