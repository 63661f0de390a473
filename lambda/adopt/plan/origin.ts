/** Which CA a certificate of HAProxy's comes from, and which client has obtained it. */
import { X509Certificate } from 'node:crypto';
import { namesOf } from '#contract/combined-pem.ts';
import { exactSet } from '../../config/identifier.ts';
import { directoryNamed } from '../../config/known-cas.ts';
import { readClientFile } from '../clients/client-files.ts';
import type { ClientState, Lineage } from '../clients/lineage.ts';

/** A lineage with what its newest certificate says. */
export interface KnownLineage {
  lineage: Lineage;
  fingerprint: string | undefined;
  names: string;
  notAfter: Date | undefined;
}

export interface CertificateOrigin {
  directoryUrl: string;
  lineage: Lineage | undefined;
  /** The client has a newer one, which HAProxy has not got; absent: HAProxy has the newest. */
  newerUntil?: Date;
}

export async function readKnownLineages(clients: readonly ClientState[]): Promise<KnownLineage[]> {
  const lineages = clients.flatMap((client) => client.lineages);
  return Promise.all(
    lineages.map(async (lineage) => {
      const leaf = leafOf((await readClientFile(lineage.chainFile)) ?? '');
      return {
        lineage,
        fingerprint: leaf?.fingerprint256,
        names: leaf === undefined ? '' : exactSet(namesOf(leaf)),
        notAfter: leaf && new Date(leaf.validTo),
      };
    }),
  );
}

function leafOf(text: string): X509Certificate | undefined {
  const [pem] = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/.exec(text) ?? [];
  try {
    return pem === undefined ? undefined : new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/**
 * @param given `--ca`: of what no client has obtained
 * @returns undefined: nobody says where it comes from, and pemfleet orders no other in its place
 */
export function originOf(
  leaf: X509Certificate,
  known: readonly KnownLineage[],
  given: string | undefined,
): CertificateOrigin | undefined {
  const same = known.find(({ fingerprint }) => fingerprint === leaf.fingerprint256);
  if (same !== undefined) return { directoryUrl: same.lineage.directoryUrl, lineage: same.lineage };
  const names = exactSet(namesOf(leaf));
  const other = known.find((one) => one.names === names && names !== '');
  if (other !== undefined) {
    const { lineage, notAfter } = other;
    const isNewer = notAfter !== undefined && notAfter > new Date(leaf.validTo);
    return { directoryUrl: lineage.directoryUrl, lineage, ...(isNewer && { newerUntil: notAfter }) };
  }
  const directoryUrl = given ?? caByIssuer(leaf);
  return directoryUrl === undefined ? undefined : { directoryUrl, lineage: undefined };
}

/** Let's Encrypt issues by ACME alone. */
function caByIssuer({ issuer }: X509Certificate): string | undefined {
  const [, organization] = /^O=(.*)$/m.exec(issuer) ?? [];
  if (organization === "Let's Encrypt") return directoryNamed('letsencrypt');
  return organization === "(STAGING) Let's Encrypt" ? directoryNamed('letsencrypt-staging') : undefined;
}
