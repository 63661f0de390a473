// A CA that goes silent: every request has a deadline of its own, and none goes on beyond the pass's.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import * as faults from '../../support/hostile-ca/faults.ts';
import type { Fault, Resource } from '../../support/hostile-ca/hostile-ca.ts';
import { drive } from './drive.ts';
import { type IssuingStage, startIssuingStage } from './stage.ts';

let stage: IssuingStage;
before(async () => {
  stage = await startIssuingStage();
});
after(() => stage.stop());

const rows: [Resource, string, Fault][] = [
  ['directory', 'never answers', faults.unanswered('hang')],
  ['newNonce', 'never answers', faults.unanswered('hang')],
  ['newOrder', 'never comes to the CA', faults.unanswered('hang')],
  ['newOrder', 'never answers', faults.lost('hang')],
  ['finalize', 'stops in the body', faults.lost('hang-in-body')],
  ['certificate', 'stops in the body', faults.lost('hang-in-body')],
];

// They wait, they do not work.
describe('a silent CA', { concurrency: rows.length + 1 }, () => {
  for (const [resource, name, fault] of rows) {
    test(`${resource} ${name}`, () =>
      drive(stage, {
        name,
        spoil: (ca) => ca.fault(resource, fault),
        code: /^ERR_ACME_(UNREACHABLE|DEADLINE)$/,
        seconds: 60,
      }));
  }

  // smallstep validates within this POST: what it has come to is polled for.
  test('challenge never answers, and the order goes on', () =>
    drive(stage, {
      name: '',
      spoil: (ca) => ca.fault('challenge', faults.lost('hang')),
      code: 'issued',
      seconds: 60,
    }));

  test('a request shortly before the end of the pass ends with it', async () => {
    const scene = await stage.scene();
    scene.ca.fault('finalize', faults.orderIs('processing'));
    scene.ca.fault('order', faults.orderIs('processing'), { times: 4 });
    scene.ca.fault('order', faults.header('retry-after', '10'), { times: 4 });
    scene.ca.fault('order', faults.unanswered('hang'), { after: 4 });

    // four looks take 40 s of 45: the fifth has 5
    const { outcome, log } = await scene.pass({}, 45);

    assert.match(outcome.error?.code ?? '', /^ERR_ACME_(UNREACHABLE|DEADLINE)$/, log);
  });
});
