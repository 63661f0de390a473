/** What a configured CA and our account there are called in DNS records. Asks the directory; registers nothing. */
import { codeOf, messageOf } from '#contract/errors.ts';
import type { AcmeClient } from '../../acme/client.ts';
import { domainNames } from '../../acme/directory.ts';
import type { Ca, Cas } from '../../ca/ca.ts';
import { caaIdentitiesOf } from '../../config/caa-identities.ts';

export interface CaTerms {
  readonly directoryUrl: string;
  /** In CAA records; empty: unknown. */
  readonly caaIdentities: readonly string[];
  /** In records of dns-persist-01; empty: unknown. */
  readonly issuerDomainNames: readonly string[];
  /** Of the stored account, or where that is not known, as configured; undefined: there is none yet. */
  readonly accountUri: string | undefined;
  /** `acme.accountUri` is not our account: whatever trusts it, the CA refuses us. */
  readonly accountProblem?: string;
  /** Undefined: none is registered, or the CA does not answer. */
  readonly account: AcmeClient | undefined;
  /** Why the CA, or the stored account, could not be asked: what is known otherwise stands. */
  readonly fault?: { code: string; message: string };
}

/** The preferred CA first. One that does not answer stops no other. */
export function readCaTerms(cas: Cas): Promise<CaTerms[]> {
  return Promise.all([...cas.values()].map(caTermsOf));
}

/** Also where the CA does not answer. */
export async function caTermsOf(ca: Ca): Promise<CaTerms> {
  const { settings } = ca;
  const { accountUri, directoryUrl } = settings;
  const configured = caaIdentitiesOf(settings);
  try {
    const [{ meta }, account] = [await ca.directory(), await ca.storedAccount()];
    const named = domainNames(meta?.caaIdentities);
    const caaIdentities = settings.caaIdentities ?? (named.length > 0 ? named : configured);
    const persist = domainNames(meta?.issuerDomainNames);
    return {
      ...{ directoryUrl, caaIdentities, account },
      issuerDomainNames: persist.length > 0 ? persist : caaIdentities,
      accountUri: account?.accountUrl ?? accountUri,
      ...accountProblemOf(settings, account),
    };
  } catch (error) {
    const fault = { code: codeOf(error), message: messageOf(error) };
    const names = { caaIdentities: configured, issuerDomainNames: configured };
    return { ...names, directoryUrl, accountUri, account: undefined, fault };
  }
}

/** The CA, or what is stored of our account, gives no answer, and the configuration does not name it. */
export function isAccountUnknown({ accountUri, fault }: CaTerms): boolean {
  return accountUri === undefined && fault !== undefined;
}

/** RFC 8657 §3: the URI in a record has to be the account's, character for character. */
export function accountProblemOf(
  { accountUri }: Pick<Ca['settings'], 'accountUri'>,
  account: Pick<AcmeClient, 'accountUrl'> | undefined,
): { accountProblem?: string } {
  const ours = account?.accountUrl;
  if (accountUri === undefined || ours === undefined || accountUri === ours) return {};
  return {
    accountProblem: `acme.accountUri is ${accountUri}, and our account ${ours}: records that name the other one keep us out; set acme.accountUri to ours, then publish what pemfleet caa and pemfleet dns-records print`,
  };
}
