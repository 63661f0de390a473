/** The certificate chain, and the choice among alternate chains (RFC 8555 §7.4.2). */
import { X509Certificate } from 'node:crypto';
import { linksOf } from './account.ts';
import type { AcmeClient } from './client.ts';
import { NoAcmeAnswer } from './problem.ts';

export interface Chain {
  /** One PEM a certificate, the leaf first. */
  pems: string[];
  /** False if the CA does not offer the preferred chain: this is its default chain then. */
  isPreferred: boolean;
}

/** Of a chain: Let's Encrypt has had two. */
const MAX_ALTERNATES = 8;

/** @param preferredChain common name of an issuer: the chain in which it stands nearest the top wins */
export async function downloadChain(
  client: AcmeClient,
  url: string,
  preferredChain: string | undefined,
): Promise<Chain> {
  const first = await client.post(url, null);
  const pems = split(url, first.data);
  if (preferredChain === undefined) return { pems, isPreferred: true };
  const links = linksOf(first.headers['link'], 'alternate', url).slice(0, MAX_ALTERNATES);
  const alternates = await Promise.all(
    links.map(async (link) => split(link, (await client.post(link, null)).data)),
  );
  const ranked = [pems, ...alternates]
    .map((chain) => ({ chain, distance: distanceFromTop(url, chain, preferredChain) }))
    .filter(({ distance }) => distance >= 0)
    .sort((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best === undefined ? { pems, isPreferred: false } : { pems: best.chain, isPreferred: true };
}

/** 0: `name` issued the last certificate; -1: it issued none of the chain. */
function distanceFromTop(url: string, chain: readonly string[], name: string): number {
  return chain
    .map((pem) => issuerOf(url, pem).split('\n').includes(`CN=${name}`))
    .reverse()
    .indexOf(true);
}

function issuerOf(url: string, pem: string): string {
  try {
    return new X509Certificate(pem).issuer;
  } catch (error) {
    throw new NoAcmeAnswer(`${url} answered with a certificate that cannot be parsed`, { cause: error });
  }
}

function split(url: string, data: unknown): string[] {
  const text = typeof data === 'string' ? data : '';
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (blocks === null) throw new NoAcmeAnswer(`${url} answered without a certificate`);
  return blocks.map((pem) => `${pem.replaceAll('\r', '')}\n`);
}
