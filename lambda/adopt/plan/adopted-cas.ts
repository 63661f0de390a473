/** The CAs of what is adopted, and the one account at each that is taken over. Pure. */
import { isStaging, knownCaOf } from '../../config/known-cas.ts';
import type { ClientState, OldAccount } from '../clients/lineage.ts';
import type { AdoptedCa } from './documents.ts';
import type { CertificateOrigin } from './origin.ts';

/** A CA with the account by which most of its certificates were ordered. */
export interface UsedCa extends AdoptedCa {
  account: OldAccount | undefined;
  /** How many certificates come from it. */
  count: number;
}

/** As many as pemfleet.yaml takes: one that orders, three beside it. */
const MAX_CAS = 4;

/**
 * The one with the most certificates first. Staging comes in only where nothing else does: it never stands in for a CA that browsers trust.
 * @param caFile `--ca-file`: of CAs that nobody knows
 */
export function usedCas(
  origins: readonly CertificateOrigin[],
  clients: readonly ClientState[],
  caFile: string | undefined,
): UsedCa[] {
  const urls = [...new Set(origins.map(({ directoryUrl }) => directoryUrl))];
  const cas = urls.map((directoryUrl): UsedCa => {
    const own = origins.filter((one) => one.directoryUrl === directoryUrl);
    const account = accountOfMost(own, clients);
    const isKnown = knownCaOf(directoryUrl) !== undefined;
    return {
      ...{ directoryUrl, account, count: own.length },
      caFile: isKnown ? undefined : (caFile ?? account?.caFile),
      contact: account?.contact.filter((one) => /^mailto:[^@\s,?]+@[^@\s,?]+$/.test(one)) ?? [],
      preferredChain: sharedChain(own),
    };
  });
  const sorted = cas.sort((a, b) => b.count - a.count);
  const trusted = sorted.filter(({ directoryUrl }) => !isStaging(directoryUrl));
  return (trusted.length > 0 ? trusted : sorted.slice(0, 1)).slice(0, MAX_CAS);
}

function accountOfMost(
  origins: readonly CertificateOrigin[],
  clients: readonly ClientState[],
): OldAccount | undefined {
  const accounts = clients.flatMap((client) => client.accounts);
  const uses = accounts.map((account) => ({
    account,
    count: origins.filter(({ lineage }) => isOrderedBy(account, lineage)).length,
  }));
  return uses.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count)[0]?.account;
}

export const isOrderedBy = (
  { client, directoryUrl, id }: OldAccount,
  lineage: CertificateOrigin['lineage'],
): boolean => lineage?.client === client && lineage.directoryUrl === directoryUrl && lineage.accountId === id;

/** It is a setting of the CA: where certificates differ, none is set. */
function sharedChain(origins: readonly CertificateOrigin[]): string | undefined {
  const chains = new Set(origins.map(({ lineage }) => lineage?.preferredChain));
  return chains.size === 1 ? [...chains][0] : undefined;
}
