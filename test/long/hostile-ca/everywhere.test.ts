// Every common fault at every resource of a renewal, and of a first issue where an account is made: a coded
// failure within the deadline (or none), and then the same order goes on.

import { after, before, describe, test } from 'node:test';
import * as faults from '../../support/hostile-ca/faults.ts';
import type { Fault, Resource } from '../../support/hostile-ca/hostile-ca.ts';
import { drive, type Row } from './drive.ts';
import { type IssuingStage, startIssuingStage } from './stage.ts';

const rateLimited = { status: 429, type: 'rateLimited' };
const everyFault: Record<string, Fault> = {
  '429 with Retry-After in seconds': faults.problem({ ...rateLimited, retryAfter: 7_200 }),
  '500 that eats the nonce': faults.lostBehind({ status: 500, type: 'serverInternal', retryAfter: 60 }),
  '503 without Retry-After': faults.page(503),
  '503 with Retry-After': faults.page(503, 120),
  '502 of a load balancer, behind the CA': async (exchange) => {
    await exchange.forward();
    return faults.page(502)(exchange);
  },
  reset: faults.unanswered('reset'),
  'reset in the body': faults.lost('reset-in-body'),
  'truncated body': faults.lost('truncate'),
  'HTML with 200': faults.body('<html><body>maintenance</body></html>', 'text/html'),
  'body of 100 MB': faults.flood(),
  'JSON null': faults.body('null'),
  'JSON array': faults.body('[{}]'),
  'JSON without members': faults.body('{}'),
  'broken JSON': faults.body('{"status": "pen'),
  'badNonce without end': faults.badNonce,
};
const everyResource: Resource[] = [
  'directory',
  'newNonce',
  'newAccount',
  'newOrder',
  'authorization',
  'challenge',
  'finalize',
  'order',
  'certificate',
];
/** The body says nothing there, or is not needed: what counts is read again. */
const isHarmless = (resource: Resource, name: string) =>
  (resource === 'newNonce' && /JSON|HTML|100 MB/.test(name)) ||
  (resource === 'newAccount' && /JSON (null|array|without)|HTML/.test(name)) ||
  (resource === 'challenge' && /JSON (null|array|without)|HTML/.test(name));

let stage: IssuingStage;
before(async () => {
  stage = await startIssuingStage();
});
after(() => stage.stop());

for (const resource of everyResource) {
  describe(resource, { concurrency: 3 }, () => {
    for (const [name, fault] of Object.entries(everyFault)) {
      const row: Row = {
        name,
        isFirst: resource === 'newAccount',
        spoil: (ca) => ca.fault(resource, fault),
        ...(isHarmless(resource, name) && { code: 'issued' as const }),
        // refused for `replaces`, as far as anybody can tell: the lost order is found in the same pass
        ...(resource === 'newOrder' && name.startsWith('500') && { code: 'either' as const }),
        ...(name.startsWith('429') &&
          resource !== 'newAccount' && { waits: [7_150, 7_210] as [number, number] }),
      };
      test(name, () => drive(stage, row));
    }
  });
}
