/** Many published certificates, for what happens to all of them at once. */
import { DAY_MS } from '#common/time.ts';
import type { Config } from '../../../lambda/config/config.ts';
import type { PublishedCertificate } from '../../../lambda/replacement/published.ts';
import { after, noon } from '../clock.ts';
import { makeConfig, makeEntry, makePemRef, named } from './documents.ts';

export const LETS_ENCRYPT = { directoryUrl: 'letsencrypt', termsOfServiceAgreed: true };

export const massConfig = (settings: object = {}): Config =>
  makeConfig([{ identifiers: ['a.test'] }], { acme: LETS_ENCRYPT, ...settings });

/**
 * Issued at noon and before, one of ninety days each day, in so many registered domains.
 * @param directoryUrl of the CA that has issued them; default: the configured one
 */
export function manyPublished(
  config: Config,
  count: number,
  { domains = 500, directoryUrl = config.acme.directoryUrl } = {},
): PublishedCertificate[] {
  const [spec] = config.certificates;
  if (spec === undefined) throw new TypeError('a configuration has a certificate');
  return Array.from({ length: count }, (_, index) => {
    const name = `n${index}.d${index % domains}.example`;
    const issuedAt = after(noon, -(1 + (index % 50)) * DAY_MS);
    const pem = makePemRef({
      certId: `aki.${index}`,
      notBefore: issuedAt.toISOString(),
      notAfter: after(issuedAt, 90 * DAY_MS).toISOString(),
    });
    const issued = { directoryUrl, accountUrl: 'https://ca.test/account/1' };
    return {
      spec: { ...spec, name: named(name), identifiers: [name] },
      published: makeEntry({ identifiers: [name], publishedAt: issuedAt.toISOString(), issued, pems: [pem] }),
      stored: undefined,
    };
  });
}
