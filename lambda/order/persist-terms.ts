/** What a record for dns-persist-01 has to say to a CA about our account there. */
import type { Authorization, Challenge } from '../acme/authorization.ts';
import type { AcmeClient } from '../acme/client.ts';
import { domainNames } from '../acme/directory.ts';
import { NoAcmeAnswer } from '../acme/problem.ts';
import { persistNames } from '../challenge/persist-names.ts';
import { hashedAccountUri } from '../challenge/persist-record.ts';
import type { PersistTerms } from '../challenge/solver.ts';
import type { Pass } from '../pass.ts';
import type { OrderLeg } from './leg.ts';
import { preferredChallenge } from './preferred-challenge.ts';

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

/**
 * Before an order is placed: looks the records of all names up, where the CA's directory says what it will look for.
 * @throws DnsFailed `ERR_DNS_RECORD` with the record to publish
 */
export async function checkPersistRecords(
  { solvers }: Pick<Pass, 'solvers'>,
  client: AcmeClient,
  leg: OrderLeg,
): Promise<void> {
  const challenge = preferredChallenge(leg.challenges, leg.record.challengeFailures);
  const { issuerDomainNames: own, caaIdentities } = client.directory.meta ?? {};
  const [ofDraft02, ofAll] = [domainNames(own), domainNames(caaIdentities)];
  const issuerDomainNames = ofDraft02.length > 0 ? ofDraft02 : ofAll;
  if (challenge !== 'dns-persist-01' || issuerDomainNames.length === 0) return;
  leg.useChallenge(challenge);
  const { identifiers } = leg.record;
  const names = persistNames([{ challenge: [challenge], identifiers }]);
  const solver = await solvers.of(challenge);
  await solver.present(
    [...names].map(([identifier, isWildcard]) => {
      const persist = { ...accountTerms(client, identifier), issuerDomainNames, isWildcard };
      return { identifier, token: '', keyAuthorization: '', persist };
    }),
  );
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
