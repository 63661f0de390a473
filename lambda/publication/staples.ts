/**
 * The OCSP responses beside the published PEMs: fetched at issue, again when half of their life is over, and never
 * for a certificate that names no responder. A failure is only logged: the response before holds to its end.
 */
import { inParallel } from '#common/in-parallel.ts';
import { digest, parse } from '#contract/combined-pem.ts';
import { codeOf, messageOf } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import { acmeOriginOf, type ManifestEntry, type PemRef, samePems, sameStapled } from '#contract/manifest.ts';
import { isPrivateCa } from '../ca/private-ca.ts';
import { configuredCas } from '../config/acme.ts';
import type { CertificateSpec } from '../config/config.ts';
import { OcspUnreachable } from '../ocsp/errors.ts';
import { fetchResponse } from '../ocsp/fetch.ts';
import type { OcspQuestion } from '../ocsp/question.ts';
import type { Pass } from '../pass.ts';
import { newestEntry, readPem } from './entry.ts';
import type { PemText, PublishedFleets } from './publisher.ts';

export interface Staples {
  /** SHA-256 of PEMs that their CA has revoked. */
  revoked: ReadonlySet<string>;
  /** Whether a manifest has changed. */
  isPublished: boolean;
}

const NO_STAPLES: Staples = { revoked: new Set(), isPublished: false };

/** What one certificate serves, and in which fleets. */
interface StapledCertificate {
  name: CertificateName;
  entry: ManifestEntry;
  /** Fleets that have the newest PEMs. copyToFleets() brings them to the others first. */
  fleets: readonly FleetName[];
  /** The fleet to read the PEMs from. */
  source: FleetName;
}

/** The certificates whose staples are kept fresh. */
interface StapledPart {
  specs: readonly CertificateSpec[];
  /** As long as they are served, hosts staple them. */
  unconfigured?: readonly { fleet: FleetName; name: CertificateName; entry: ManifestEntry }[];
}

/** Fetches and publishes the staples that are due; none in a dry run. */
export async function refreshStaples(
  pass: Pick<Pass, 'bucket' | 'config' | 'log' | 'options' | 'timing'> & Partial<Pick<Pass, 'cas'>>,
  { lostPems = new Set(), manifests, publishers }: PublishedFleets,
  { specs, unconfigured = [] }: StapledPart,
): Promise<Staples> {
  if (pass.options.dryRun) return NO_STAPLES;
  const fetcher = new StapleFetcher(pass, lostPems);
  const isDue = ({ entry }: StapledCertificate) => entry.pems.some((pem) => fetcher.isDue(pem));
  const configured = specs.flatMap((spec) => stapledCertificateOf(spec, manifests) ?? []);
  const kept = unconfigured.map(({ fleet, ...one }) => ({ ...one, fleets: [fleet], source: fleet }));
  const due = [...configured, ...kept].filter(isDue);
  const refresh = async ({ name, entry, fleets, source }: StapledCertificate) => {
    try {
      // The OCSP request needs the PEM only: an old staple may be gone.
      const bare = entry.pems.map(({ ocsp: _, ...pem }) => readPem(pass.bucket, source, name, pem));
      const { pems, texts } = await fetcher.staple({ name, entry }, await Promise.all(bare));
      const fresh = { ...entry, pems };
      const again = texts.filter((text) => fetcher.isLost(text.ocsp));
      for (const fleet of fleets) {
        for (const text of again) await publishers.get(fleet)?.restoreStaple(name, text);
      }
      if (sameStapled(fresh, entry)) return false;
      for (const fleet of fleets) await publishers.get(fleet)?.publish(name, fresh, texts, 'staples');
      return true;
    } catch (error) {
      pass.log('ocsp.failed', { certificate: name, code: codeOf(error), error: messageOf(error) });
      return false;
    }
  };
  const results = await inParallel(due, pass.config.concurrency, refresh, ({ name }) => name);
  return { revoked: fetcher.revoked, isPublished: results.includes(true) };
}

/** Half of the staple's life is over, or the PEM has none yet. */
export function isStapleDue({ ocspUrl, ocsp, notAfter }: PemRef, now: Date): boolean {
  if (ocspUrl === undefined || now >= new Date(notAfter)) return false;
  if (ocsp === undefined) return true;
  const [from, to] = [Date.parse(ocsp.thisUpdate), Date.parse(ocsp.nextUpdate)];
  return now.getTime() >= from + (to - from) / 2;
}

type Staple = NonNullable<PemRef['ocsp']> & { body: Buffer };

/** Asks OCSP responders; one that gives no answer is not asked again by the same fetcher. */
export class StapleFetcher {
  readonly #log: Pass['log'];
  readonly #timing: Pass['timing'];
  readonly #revoked = new Set<string>();
  /** Responders that gave no answer. */
  readonly #silentHosts = new Set<string>();

  /** Directory URLs of CAs whose certificates may name private addresses. */
  readonly #private: ReadonlySet<string>;
  /** SHA-256 of staples whose object is gone. */
  readonly #lost: ReadonlySet<string>;
  /** Of certificates that were imported: their CA is none of the configuration, and whoever sold them has written the address. */
  readonly #allowsImported: boolean;
  /** Asked where the configuration does not say where a CA is; absent: nobody asks. */
  readonly #cas: Pass['cas'] | undefined;

  /** @param lostKeys of published objects that are gone: such a staple is fetched again */
  constructor(
    { cas, config, log, timing }: Pick<Pass, 'config' | 'log' | 'timing'> & Partial<Pick<Pass, 'cas'>>,
    lostKeys: ReadonlySet<string> = new Set(),
  ) {
    const settings = configuredCas(config);
    this.#cas = cas;
    this.#allowsImported = settings.some(({ allowPrivate }) => allowPrivate === true);
    this.#private = new Set(settings.filter(isPrivateCa).map(({ directoryUrl }) => directoryUrl));
    this.#log = log;
    this.#timing = timing;
    this.#lost = new Set([...lostKeys].flatMap((key) => /\.([0-9a-f]{64})\.ocsp$/.exec(key)?.[1] ?? []));
  }

  isLost(staple: { sha256: string } | undefined): boolean {
    return staple !== undefined && this.#lost.has(staple.sha256);
  }

  /** SHA-256 of the PEMs that their responder calls revoked. */
  get revoked(): ReadonlySet<string> {
    return this.#revoked;
  }

  isDue(pem: PemRef): boolean {
    const now = this.#timing.now();
    return isStapleDue(pem, now) || (this.isLost(pem.ocsp) && now < new Date(pem.notAfter));
  }

  /** @returns the same PEMs, with a fresh staple for each that is due and gets one */
  async staple(
    { name, entry }: Pick<StapledCertificate, 'name' | 'entry'>,
    texts: readonly PemText[],
  ): Promise<{ pems: PemRef[]; texts: PemText[] }> {
    const { pems } = entry;
    const origin = acmeOriginOf(entry);
    const allowsPrivate = origin ? this.#private.has(origin.directoryUrl) : this.#allowsImported;
    const ca = { certificate: name, allowsPrivate, directoryUrl: origin?.directoryUrl };
    const stapled = { pems: [...pems], texts: [...texts] };
    for (const [index, pem] of pems.entries()) {
      const text = texts[index];
      const fresh = text && this.isDue(pem) ? await this.#fetch(ca, pem, text) : undefined;
      if (text === undefined || fresh === undefined) continue;
      const { body, ...ocsp } = fresh;
      stapled.pems[index] = { ...pem, ocsp };
      stapled.texts[index] = { ...text, ocsp: { sha256: ocsp.sha256, body } };
    }
    return stapled;
  }

  /** A CA that is known by a host name alone shows by its own answer that it is in a private network, as for the URLs of its orders. */
  async #ask(
    url: string,
    question: OcspQuestion,
    { allowsPrivate, directoryUrl = '' }: Omit<IssuingCa, 'certificate'>,
  ) {
    return fetchResponse(url, question, allowsPrivate).catch(async (error: unknown) => {
      const isRefused = error instanceof OcspUnreachable && error.isPrivate && !allowsPrivate;
      const ca = isRefused ? this.#cas?.get(directoryUrl) : undefined;
      // One that gives no answer has shown nothing.
      if (!(await ca?.allowsPrivate().catch(() => false))) throw error;
      return fetchResponse(url, question, true);
    });
  }

  /** @returns undefined if there is no response that is good and newer than the one before */
  async #fetch(
    { certificate, ...ca }: IssuingCa,
    { ocspUrl: url = '', serial, sha256, ocsp: old }: PemRef,
    { text }: PemText,
  ): Promise<Staple | undefined> {
    const { host } = new URL(url);
    if (this.#silentHosts.has(host)) return undefined;
    try {
      const [leaf, issuer] = parse(text).chain;
      if (leaf === undefined || issuer === undefined) {
        throw new TypeError('a published PEM without its issuer');
      }
      const question = { leaf, issuer, now: this.#timing.now() };
      const { status, body, ...times } = await this.#ask(url, question, ca);
      if (status === 'revoked') {
        this.#revoked.add(sha256);
        this.#log('ocsp.revoked', { certificate, serial });
      }
      if (status === 'unknown') this.#log('ocsp.failed', { certificate, error: `${url}: status unknown` });
      const [thisUpdate, nextUpdate] = [times.thisUpdate.toISOString(), times.nextUpdate.toISOString()];
      // A cache may answer with an older response than before.
      const isOlder = old !== undefined && thisUpdate <= old.thisUpdate;
      const isAgain = this.isLost(old) && thisUpdate === old?.thisUpdate;
      if (status !== 'good' || (isOlder && !isAgain)) return undefined;
      this.#log('ocsp.fetched', { certificate, thisUpdate, nextUpdate });
      return { sha256: digest(body), size: body.length, thisUpdate, nextUpdate, body };
    } catch (error) {
      if (error instanceof OcspUnreachable) this.#silentHosts.add(host);
      this.#log('ocsp.failed', { certificate, code: codeOf(error), error: messageOf(error) });
      return undefined;
    }
  }
}

/** Whose certificate it is. */
interface IssuingCa {
  certificate: CertificateName;
  /** As far as the configuration says. */
  allowsPrivate: boolean;
  /** Absent: the certificate was imported. */
  directoryUrl: string | undefined;
}

function stapledCertificateOf(
  spec: CertificateSpec,
  manifests: PublishedFleets['manifests'],
): StapledCertificate | undefined {
  const entry = newestEntry(spec, manifests);
  const fleets = spec.fleets.filter((fleet) =>
    samePems(manifests.get(fleet)?.manifest.certificates[spec.name], entry),
  );
  const [source] = fleets;
  return entry && source && { name: spec.name, entry, fleets, source };
}
