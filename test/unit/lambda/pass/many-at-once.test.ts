/** How much of a CA a pass asks for at once, however many certificates it has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { DIRECTORY_URL } from '../../../support/issuer/documents.ts';
import { answer, clientOf, DIRECTORY, fakeCa, refuse } from '../../../support/issuer/fake-ca.ts';
import { onlySolver } from '../../../support/issuer/only-solver.ts';
import { passOver, unreachableCa } from '../../../support/issuer/pass.ts';

/** A CA that validates until it is first looked at, and then issues nothing. */
function countingCa() {
  const counts = { orders: 0, validating: 0, mostValidating: 0 };
  const responded = new Set<string>();
  const valid = new Set<string>();
  const ca = fakeCa(({ url, payload }) => {
    const headers = { 'replay-nonce': 'nonce', location: '' };
    const [, kind = '', name = ''] = /\/([a-z-]+)(?:\/(.+))?$/.exec(url) ?? [];
    switch (kind) {
      case 'new-order': {
        counts.orders += 1;
        const { identifiers } = JSON.parse(payload) as { identifiers: { value: string }[] };
        const { value = '' } = identifiers[0] ?? {};
        const order = { authorizations: [`https://ca.test/authorization/${value}`], identifiers };
        headers.location = `https://ca.test/order/${value}`;
        return answer({ ...order, status: 'pending', finalize: 'https://ca.test/finalize' }, { headers });
      }
      case 'challenge':
        responded.add(name);
        counts.validating += 1;
        counts.mostValidating = Math.max(counts.mostValidating, counts.validating);
        return answer({}, { headers });
      case 'authorization': {
        if (responded.has(name) && !valid.has(name)) {
          valid.add(name);
          counts.validating -= 1;
        }
        const status = valid.has(name) ? 'valid' : 'pending';
        const challenge = { type: 'dns-01', url: `https://ca.test/challenge/${name}`, status };
        const identifier = { type: 'dns', value: name };
        const challenges = [{ ...challenge, token: 'DGyRejmCefe7v4NfDGDKfA' }];
        return answer({ status, identifier, challenges }, { headers });
      }
      default:
        return refuse('badCSR', 400, headers);
    }
  });
  const client = clientOf(ca);
  const opened = { directory: async () => DIRECTORY, account: async () => client };
  return { ca: { ...unreachableCa(), ...opened }, counts };
}

test('by dns-01 a pass orders 200 at once, and asks for the validation of 20', async () => {
  const { ca, counts } = countingCa();
  let waiting: (() => void)[] = [];
  const solver = {
    type: 'dns-01' as const,
    present: () => new Promise<void>((visible) => waiting.push(visible)),
    cleanUp: async () => undefined,
    locations: async () => [],
    checkRights: async () => [],
  };
  const { run } = passOver(memoryBucket(), {
    cas: new Map([[DIRECTORY_URL, ca]]),
    solvers: onlySolver(solver),
  });
  const certificates = Array.from({ length: 215 }, (_, index) => ({
    identifiers: [`n${index}.test`],
    challenge: 'dns-01',
  }));
  const goOn = () => {
    const visible = waiting;
    waiting = [];
    for (const resolve of visible) resolve();
  };

  const ended = run(certificates);
  const presented = async (count: number) => {
    for (let round = 0; waiting.length < count && round < 20_000; round += 1) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  await presented(200);
  assert.deepEqual([waiting.length, counts.orders], [200, 200]);
  goOn();
  await presented(15);
  goOn();
  const outcomes = await ended;

  assert.equal(counts.mostValidating, 20);
  assert.equal(outcomes.filter(({ error }) => error?.message.startsWith('badCSR')).length, 215);
});
