/** RFC 8555 §7.4.2: the certificate chain, and the choice among alternate ones. */
import { X509Certificate } from 'node:crypto';
import { linksOf } from './account.ts';
import type { AcmeClient } from './client.ts';
import { AcmeUnreachable } from './problem.ts';

export interface Chain {
  /** Leaf first, one PEM a certificate. */
  pems: string[];
  /** False if a chain was preferred that the CA does not offer: this is its default one then. */
  isPreferred: boolean;
}

/** @param preferredChain common name of an issuer; the chain in which it stands nearest the top is taken */
export async function downloadChain(
  client: AcmeClient,
  url: string,
  preferredChain: string | undefined,
): Promise<Chain> {
  const first = await client.post(url, null);
  const pems = split(url, first.data);
  if (preferredChain === undefined) return { pems, isPreferred: true };
  const links = linksOf(first.headers['link'], 'alternate', url);
  const alternates = await Promise.all(
    links.map(async (link) => split(link, (await client.post(link, null)).data)),
  );
  const ranked = [pems, ...alternates]
    .map((chain) => ({ chain, distance: distanceFromTop(chain, preferredChain) }))
    .filter(({ distance }) => distance >= 0)
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best === undefined ? { pems, isPreferred: false } : { pems: best.chain, isPreferred: true };
}

/** 0: the last certificate was issued by `name`; -1: nobody in the chain was. */
function distanceFromTop(chain: readonly string[], name: string): number {
  return chain
    .map((pem) => new X509Certificate(pem).issuer.split('\n').includes(`CN=${name}`))
    .reverse()
    .indexOf(true);
}

function split(url: string, data: unknown): string[] {
  const text = typeof data === 'string' ? data : '';
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (blocks === null) throw new AcmeUnreachable(`${url} answered without a certificate`);
  return blocks.map((pem) => `${pem.replaceAll('\r', '')}\n`);
}
