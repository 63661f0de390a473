/**
 * What follows an order that is still to come: a certificate as the CA has issued them until now, and the window in which it will want it
 * renewed. Nobody knows either before it is there. Pure.
 */
import { DAY_MS, HOUR_MS } from '#common/time.ts';
import { acmeOriginOf, type ManifestEntry, type PemRef } from '#contract/manifest.ts';
import { configuredCas } from '../config/acme.ts';
import type { CertificateSpec, Config } from '../config/config.ts';
import { knownCaOf } from '../config/known-cas.ts';
import { configuredLives } from '../config/schedule.ts';
import { lifetimeRenewal } from '../order/lifetime.ts';
import type { RenewalWindow } from '../pass/renewal-windows.ts';

/** Where a window lies in the life of its certificate: 0 is its begin, 1 its end. */
interface WindowShares {
  start: number;
  end: number;
}

/** What is known of one certificate, and stands for others of its kind. */
interface Example {
  lifetimeMs: number;
  /** A CA sets `notBefore` back. */
  backdatedMs: number;
  shares: WindowShares | undefined;
}

export interface IssuedInForecast {
  entry: ManifestEntry;
  /** By certID; empty where the CA suggests none. */
  windows: ReadonlyMap<string, RenewalWindow>;
}

export interface Ordered {
  spec: CertificateSpec;
  /** What it takes the place of. */
  before: ManifestEntry | undefined;
  directoryUrl: string;
}

/** By so much at the most. */
const MOST_BACKDATED_MS = 2 * HOUR_MS;

export class Precedents {
  readonly #config: Pick<Config, 'acme' | 'fallback'>;
  /** By CA and profile: of the certificate that says most. */
  readonly #examples = new Map<string, Example>();

  /** @param windows by certID, as the last pass has left them */
  constructor(
    config: Pick<Config, 'acme' | 'fallback'>,
    published: readonly ManifestEntry[],
    windows: ReadonlyMap<string, RenewalWindow>,
  ) {
    this.#config = config;
    for (const entry of published) {
      const origin = acmeOriginOf(entry);
      const example = exampleOf(entry, windows);
      if (origin === undefined || example === undefined) continue;
      const kind = kindOf(origin.directoryUrl, origin.profile);
      const known = this.#examples.get(kind);
      if (known === undefined || known.shares === undefined) this.#examples.set(kind, example);
    }
  }

  /**
   * @param share of the window at which it will be renewed: 0 its start, 1 its end
   * @param windows by certID, as they are then
   * @returns undefined where nothing says how long it will be valid
   */
  issued(
    { spec, before, directoryUrl }: Ordered,
    { now, share, id, windows }: Then,
  ): IssuedInForecast | undefined {
    const { acme } = this.#config;
    const profile = directoryUrl === acme.directoryUrl ? spec.profile : undefined;
    const example = this.#exampleFor({ spec, before, directoryUrl }, profile, windows);
    const lifetimeMs = example?.lifetimeMs ?? configuredLifetime(this.#config, spec, directoryUrl);
    if (lifetimeMs === undefined) return undefined;
    const notBefore = new Date(now.getTime() - (example?.backdatedMs ?? 0));
    const notAfter = new Date(notBefore.getTime() + lifetimeMs);
    const validity = { notBefore: notBefore.toISOString(), notAfter: notAfter.toISOString() };
    const pems = spec.keyTypes.map((keyType): PemRef => {
      const name = `${id} ${keyType}`;
      return { sha256: name, size: 1, keyType, serial: '00', ...validity, chainLength: 2, certId: name };
    });
    const { preferredChain } = configuredCas(this.#config).find(isAt(directoryUrl)) ?? {};
    const entry: ManifestEntry = {
      ...{ publishedAt: now.toISOString(), pems, identifiers: [...spec.identifiers] },
      issued: {
        ...{ directoryUrl, accountUrl: directoryUrl },
        ...(profile !== undefined && { profile }),
        ...(preferredChain !== undefined && { preferredChain }),
      },
      ...(before && { previous: { publishedAt: before.publishedAt, pems: before.pems } }),
    };
    const shares = example?.shares ?? knownShares(directoryUrl, validity);
    return { entry, windows: new Map(shares && windowsOf(pems, shares, share)) };
  }

  /** The certificate itself says most; then any that the CA has issued by the same profile. */
  #exampleFor(
    { before, directoryUrl }: Ordered,
    profile: string | undefined,
    windows: ReadonlyMap<string, RenewalWindow>,
  ): Example | undefined {
    const other = this.#examples.get(kindOf(directoryUrl, profile));
    const origin = before && acmeOriginOf(before);
    if (before === undefined || origin?.directoryUrl !== directoryUrl || origin.profile !== profile)
      return other;
    const own = exampleOf(before, windows);
    return own && { ...own, shares: own.shares ?? other?.shares };
  }
}

interface Then {
  now: Date;
  share: number;
  id: string;
  windows: ReadonlyMap<string, RenewalWindow>;
}

const kindOf = (directoryUrl: string, profile = '') => `${directoryUrl} ${profile}`;
const isAt = (url: string) => (ca: { directoryUrl: string }) => ca.directoryUrl === url;

function exampleOf(
  { pems, publishedAt }: ManifestEntry,
  windows: ReadonlyMap<string, RenewalWindow>,
): Example | undefined {
  const [pem] = pems;
  if (pem === undefined) return undefined;
  const begin = Date.parse(pem.notBefore);
  const ms = Date.parse(publishedAt) - begin;
  return {
    lifetimeMs: Date.parse(pem.notAfter) - begin,
    backdatedMs: ms > 0 && ms <= MOST_BACKDATED_MS ? ms : 0,
    shares: sharesOf(pem, windows.get(pem.certId ?? '')),
  };
}

/** As the configuration, or the table of known CAs, says. What was issued lately is better evidence. */
function configuredLifetime(
  config: Pick<Config, 'acme' | 'fallback'>,
  spec: CertificateSpec,
  directoryUrl: string,
): number | undefined {
  const ca = configuredCas(config).find(isAt(directoryUrl));
  if (ca === undefined) return undefined;
  const isFirst = directoryUrl === config.acme.directoryUrl;
  const { profile: _, ...others } = spec;
  const [life] = configuredLives({ acme: ca, fallback: [], certificates: [isFirst ? spec : others] });
  return life?.lifetimeMs;
}

/** As is known of the CA; undefined: it suggests none. */
function knownShares(
  directoryUrl: string,
  validity: Pick<PemRef, 'notBefore' | 'notAfter'>,
): WindowShares | undefined {
  const { windowShare } = knownCaOf(directoryUrl) ?? {};
  if (windowShare === undefined) return undefined;
  const begin = Date.parse(validity.notBefore);
  const centre = (lifetimeRenewal(validity).getTime() - begin) / (Date.parse(validity.notAfter) - begin);
  return { start: centre - windowShare / 2, end: centre + windowShare / 2 };
}

/** A window of the first day, or past the end, is that of an incident. */
function sharesOf(pem: PemRef, window: RenewalWindow | undefined): WindowShares | undefined {
  if (window === undefined) return undefined;
  const begin = Date.parse(pem.notBefore);
  const lifetimeMs = Date.parse(pem.notAfter) - begin;
  const shares = {
    start: (window.start.getTime() - begin) / lifetimeMs,
    end: (window.end.getTime() - begin) / lifetimeMs,
  };
  const isUsual = window.start.getTime() - begin >= Math.min(DAY_MS, lifetimeMs / 4) && shares.end <= 1;
  return isUsual ? shares : undefined;
}

function windowsOf(pems: readonly PemRef[], shares: WindowShares, share: number): [string, RenewalWindow][] {
  return pems.map((pem) => {
    const begin = Date.parse(pem.notBefore);
    const lifetimeMs = Date.parse(pem.notAfter) - begin;
    const at = (part: number) => new Date(begin + part * lifetimeMs);
    const renewAt = at(shares.start + share * (shares.end - shares.start));
    return [pem.certId ?? '', { start: at(shares.start), end: at(shares.end), renewAt }];
  });
}
