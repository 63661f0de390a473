/** Which configured certificates no CA may renew, because browsers trust what is in force: for commands, which have no pass. */

import { BucketError, ContractError } from '#contract/errors.ts';
import type { CertificateName, FleetName } from '#contract/layout.ts';
import type { ManifestEntry } from '#contract/manifest.ts';
import type { Bucket } from '#storage/bucket.ts';
import type { UntrustedIssuer } from '../acme/problem.ts';
import { type CaState, hasIssuedUntrusted, readCaState } from '../ca/state.ts';
import { configuredCas } from '../config/acme.ts';
import { type CertificateSpec, type Config, configuredFleets } from '../config/config.ts';
import { isStaging } from '../config/known-cas.ts';
import type { StoredRecord } from '../order/record.ts';
import type { IssuerMemory } from '../publication/ended.ts';
import { publishedFleets } from '../publication/fleets.ts';
import { type OwnKeys, type ReadManifest, readManifest } from '../publication/read-manifest.ts';
import { TrustedCertificates } from './in-force.ts';
import { refusalBefore } from './refused-ca.ts';

export interface RefusalRequest {
  bucket: Bucket;
  config: Config;
  keys: OwnKeys;
  memory?: IssuerMemory | undefined;
  certificates: readonly {
    spec: CertificateSpec;
    published: ManifestEntry | undefined;
    stored: StoredRecord | undefined;
  }[];
  /** PEM; default: those that Node.js has of Mozilla. */
  trustedRoots?: readonly string[] | undefined;
  now: Date;
}

/** By directory URL, then by certificate: why nothing is ordered there. */
export type Refusals = ReadonlyMap<string, ReadonlyMap<CertificateName, UntrustedIssuer>>;

/** Where no configured CA is a staging environment, and none has issued what was not published, hardly anything is read. @throws BucketError */
export async function readRefusals(request: RefusalRequest): Promise<Refusals> {
  const { bucket, config, certificates } = request;
  const state = await readCaState(bucket);
  const now = () => request.now;
  const fleets = configuredFleets(config);
  const isSuspect = (directoryUrl: string, stored: StoredRecord | undefined) =>
    hasIssuedUntrusted(state, directoryUrl, request.now) || hasFailedUntrusted(stored, directoryUrl);
  const cas = configuredCas(config).filter(
    (ca) =>
      !ca.replaceTrusted &&
      (isStaging(ca.directoryUrl) || certificates.some(({ stored }) => isSuspect(ca.directoryUrl, stored))),
  );
  const refusals = new Map<string, Map<CertificateName, UntrustedIssuer>>();
  if (cas.length === 0) return refusals;
  const trusted = await readTrusted({ ...request, fleets, state });
  const words = { config, options: {}, trusted, now };
  for (const { directoryUrl } of cas) {
    const refused = new Map<CertificateName, UntrustedIssuer>();
    for (const one of certificates) {
      const refusal = await refusalBefore(words, one, directoryUrl, isSuspect(directoryUrl, one.stored));
      if (refusal !== undefined) refused.set(one.spec.name, refusal);
    }
    refusals.set(directoryUrl, refused);
  }
  return refusals;
}

/** Certificates that each of the configured CAs is refused for, with the reason of the preferred one. */
export function refusedEverywhere(
  { acme, fallback }: Pick<Config, 'acme' | 'fallback'>,
  refusals: Refusals,
): ReadonlyMap<CertificateName, UntrustedIssuer> {
  const others = fallback.map(({ directoryUrl }) => refusals.get(directoryUrl));
  const first = refusals.get(acme.directoryUrl) ?? [];
  return new Map([...first].filter(([name]) => others.every((refused) => refused?.has(name))));
}

/** The record of its order says so of this CA. */
export function hasFailedUntrusted(stored: StoredRecord | undefined, directoryUrl: string): boolean {
  const { directoryUrl: of, lastFailure } = stored?.record ?? {};
  return of === directoryUrl && lastFailure?.code === 'ERR_CA_UNTRUSTED';
}

interface InForceRequest extends Pick<RefusalRequest, 'bucket' | 'keys' | 'memory' | 'trustedRoots' | 'now'> {
  /** Those that have something published come to them. */
  fleets: readonly FleetName[];
  /** Absent: it is read. */
  state?: CaState | undefined;
}

/** What browsers trust of all that is published. @throws BucketError */
export async function readTrusted(request: InForceRequest): Promise<TrustedCertificates> {
  const state = request.state ?? (await readCaState(request.bucket));
  const now = () => request.now;
  const isTrustedCa = (url: string) => state.cas[url]?.isTrusted ?? false;
  return new TrustedCertificates({ ...request, now, isTrustedCa }, await readManifests(request));
}

/** Of all fleets: a certificate that has moved is in force where it was. What cannot be read, the fleet's own line says. */
async function readManifests({ bucket, fleets, keys, memory }: InForceRequest) {
  const manifests = new Map<FleetName, ReadManifest | undefined>();
  for (const fleet of new Set([...fleets, ...(await publishedFleets(bucket))])) {
    const read = await readManifest(bucket, fleet, keys, memory).catch((error: unknown) => {
      if (error instanceof BucketError || error instanceof ContractError) return undefined;
      throw error;
    });
    manifests.set(fleet, read);
  }
  return manifests;
}
