import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DeployFailed,
  doneOutcome,
  failedOutcome,
  NOTHING_DEPLOYED,
  type Outcome,
} from '../../../../agent/deploy/action.ts';
import { HandshakeFailed } from '../../../../agent/errors.ts';
import { logOutcome } from '../../../../agent/pass/log-outcome.ts';
import { desired } from '../../../support/agent/plan-fixtures.ts';

const subject = { file: 'shop.pem', certificate: 'shop', desired, isProvedLast: false };
const action = { ...subject, kind: 'update', reason: 'r' } as const;
const removal = { file: 'old.pem', certificate: 'old', reason: 'r' };
const target = { address: '127.0.0.1:443', servername: 'shop.test' };
const error = new HandshakeFailed('ERR_HANDSHAKE_CERTIFICATE', target, 'm');
const loaded = { ...NOTHING_DEPLOYED, isWritten: true, isListed: true, isLoaded: true };

const rows: [says: string, outcome: Outcome, events: string[]][] = [
  ['nothing to do', doneOutcome({ ...action, kind: 'keep' }), []],
  [
    'all is well',
    doneOutcome(action, { ...loaded, handshakes: ['127.0.0.1:443'], staple: { sha256: 'a' } }),
    ['installed', 'listed', 'loaded', 'proven', 'staple.loaded'],
  ],
  [
    'no bind to prove it on',
    doneOutcome(action, { ...loaded, handshakes: [] }),
    ['installed', 'listed', 'loaded'],
  ],
  [
    'what was done before a failure',
    failedOutcome(action, new DeployFailed(error, { ...loaded, stapleError: error })),
    ['installed', 'listed', 'loaded', 'staple.failed', 'failed'],
  ],
  [
    'what the step before the failed one has done',
    failedOutcome(action, error, loaded),
    ['installed', 'listed', 'loaded', 'failed'],
  ],
  ['removed', doneOutcome({ ...removal, kind: 'remove' }), ['removed']],
  [
    'waits for a reload',
    doneOutcome({ ...removal, kind: 'needs-reload', code: 'ERR_RUNTIME_CRT_LIST' }),
    ['needs-reload'],
  ],
];

for (const [says, outcome, events] of rows) {
  test(`log: ${says}`, () => {
    const logged: string[] = [];

    logOutcome((event) => logged.push(event.replace('certificate.', '')), outcome);

    assert.deepEqual(logged, events);
  });
}

test('the error of an outcome is the cause, not its carrier', () => {
  const outcome = failedOutcome(action, new DeployFailed(error, loaded));

  assert.equal(outcome.error, error);
  assert.equal(outcome.deployed, loaded);
});
