// A hundred certificates at a CA that rejects nonces, and certificates that fail beside others that do not.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { caaRefusal, invalidFromNow } from '../../support/hostile-ca/faults.ts';
import type { HostileCa, Resource } from '../../support/hostile-ca/hostile-ca.ts';
import { type IssuingStage, startIssuingStage } from './stage.ts';

const count = 100;
const certificates = Array.from({ length: count }, (_, index) => [`n${index}.example.test`]);
/** Not of a certificate, but of the account or the CA. */
const shared: readonly Resource[] = ['directory', 'newAccount', 'account', 'orders'];

function perCertificate({ requests }: HostileCa): { average: number; breakdown: string } {
  const own = requests.filter(({ resource }) => !shared.includes(resource));
  const kinds = [...new Set(own.map(({ resource }) => resource))];
  const breakdown = kinds.map((kind) => {
    const all = own.filter(({ resource }) => resource === kind);
    const rejected = all.filter(({ status }) => status === 400).length;
    return `${kind} ${all.length}${rejected > 0 ? ` (${rejected} rejected)` : ''}`;
  });
  return { average: own.length / count, breakdown: breakdown.join(', ') };
}

for (const { rejected, most } of [
  { rejected: 5, most: 8 },
  { rejected: 50, most: 20 },
]) {
  describe(`${rejected} % of nonces rejected`, () => {
    let stage: IssuingStage;
    before(async () => {
      stage = await startIssuingStage({ nonceRejectPercent: rejected });
    });
    after(() => stage.stop());

    test(`${count} of ${count} at concurrency 10, at most ${most} requests each`, async (t) => {
      const scene = await stage.scene({ certificates, concurrency: 10, isRealTime: true });

      const { outcomes, log } = await scene.pass({}, 600);

      const failed = outcomes.filter(({ result }) => result !== 'issued');
      assert.deepEqual(failed, [], log.slice(0, 2_000));
      assert.equal(Object.keys((await scene.manifest())?.certificates ?? {}).length, count);
      assert.equal(scene.ca.ordersMade(), count);
      const { average, breakdown } = perCertificate(scene.ca);
      t.diagnostic(`${average} requests a certificate: ${breakdown}`);
      assert.ok(average <= most, `${average} requests a certificate: ${breakdown}`);
    });
  });
}

describe('one of several', () => {
  let stage: IssuingStage;
  before(async () => {
    stage = await startIssuingStage();
  });
  after(() => stage.stop());

  test('is refused: the others are issued, and it alone is tried again', async () => {
    const scene = await stage.scene({ certificates: certificates.slice(0, 4), concurrency: 2 });
    scene.ca.fault('finalize', invalidFromNow(caaRefusal('it')), { after: 1, times: 1 });

    const { outcomes } = await scene.pass();

    const failed = outcomes.filter(({ result }) => result === 'failed');
    assert.deepEqual(
      failed.map(({ error }) => error?.code),
      ['ERR_AUTHORIZATION'],
    );
    assert.equal(outcomes.filter(({ result }) => result === 'issued').length, 3);
    scene.moveTo(new Date(scene.now().getTime() + 600_000));
    const next = await scene.pass();
    assert.equal(next.outcomes.filter(({ result }) => result === 'issued').length, 1, next.log);
    assert.equal(scene.ca.ordersMade(), 5);
  });
});
