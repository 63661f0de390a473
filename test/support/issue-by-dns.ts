// A certificate from a CA by acme-client's own flow and dns-01: for tests of DNS servers, not of pemfleet.
import { Agent } from 'node:https';
import acme from 'acme-client';
import type { TestCa } from './parts/test-ca.ts';

/**
 * @param present makes the TXT value visible; called for each name
 * @returns the chain, leaf first
 */
export async function issueByDns(
  { ca, directoryUrl }: TestCa,
  altNames: string[],
  present: (record: { name: string; value: string }) => Promise<void>,
): Promise<string[]> {
  acme.axios.defaults.httpsAgent = new Agent({ ca, keepAlive: false });
  const accountKey = await acme.crypto.createPrivateEcdsaKey();
  const client = new acme.Client({ directoryUrl, accountKey, backoffMin: 50 });
  const [, csr] = await acme.crypto.createCsr({ altNames }, await acme.crypto.createPrivateEcdsaKey());
  const chain = await client.auto({
    csr,
    termsOfServiceAgreed: true,
    skipChallengeVerification: true,
    challengePriority: ['dns-01'],
    challengeCreateFn: ({ identifier }, _challenge, value) =>
      present({ name: `_acme-challenge.${identifier.value}.`, value }),
    challengeRemoveFn: async () => undefined,
  });
  return acme.crypto.splitPemChain(chain);
}
