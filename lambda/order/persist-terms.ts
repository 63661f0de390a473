/** What a record for dns-persist-01 has to say to a CA about our account there. */
import type { Authorization, Challenge } from '../acme/authorization.ts';
import type { AcmeClient } from '../acme/client.ts';
import { domainNames } from '../acme/directory.ts';
import { NoAcmeAnswer } from '../acme/problem.ts';
import { hashedAccountUri } from '../challenge/persist-record.ts';
import type { PersistTerms } from '../challenge/solver.ts';

/** @throws NoAcmeAnswer for a challenge without issuer domain names (draft-ietf-acme-dns-persist-02 §3.1) */
export function persistTerms(
  client: AcmeClient,
  { identifier, wildcard }: Pick<Authorization, 'identifier' | 'wildcard'>,
  challenge: Challenge,
): PersistTerms {
  const issuerDomainNames = domainNames(challenge.issuerDomainNames ?? challenge['issuer-domain-names']);
  if (issuerDomainNames.length === 0) {
    const message = `the CA's dns-persist-01 challenge for ${identifier.value} has no issuer domain names (1 to 10)`;
    throw new NoAcmeAnswer(message);
  }
  return { ...accountTerms(client, identifier.value), issuerDomainNames, isWildcard: wildcard ?? false };
}

/** The forms of our account that this CA takes, as its directory says (§4.1); CAs of earlier drafts take the URL. */
export function accountTerms(
  { accountUrl = '', directory, thumbprint }: AcmeClient,
  identifier: string,
): Pick<PersistTerms, 'accountUris' | 'accountHashPrefix'> {
  const prefix = directory.meta?.accountHashPrefix;
  if (typeof prefix !== 'string' || !URL.canParse(prefix)) {
    return { accountUris: [accountUrl], accountHashPrefix: undefined };
  }
  const account = { accountUrl, thumbprint };
  const hashed = [identifier, '*'].map((domain) => hashedAccountUri(prefix, domain, account));
  return { accountUris: [...hashed, accountUrl], accountHashPrefix: prefix };
}
