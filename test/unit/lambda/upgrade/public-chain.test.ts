/** Whether browsers would trust a chain: what it costs to ask. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publicChainProblem } from '../../../../lambda/upgrade/public-chain.ts';
import { createPki } from '../../../support/parts/pki.ts';

/** Counts how often its items are read. */
class CountedRoots extends Array<string> {
  reads = 0;

  override [Symbol.iterator]() {
    this.reads += 1;
    return super[Symbol.iterator]();
  }
}

test('the roots are read once, whatever number of chains is judged by them', async () => {
  const [pki, other] = [await createPki('trusted'), await createPki('other')];
  const roots = CountedRoots.of(pki.rootPem) as CountedRoots;
  const names = ['a.test'];
  const [ours, theirs] = [await pki.issue({ names }), await other.issue({ names })];

  const problems = [];
  for (const { combined } of [ours, theirs, ours]) {
    problems.push(await publicChainProblem(combined, roots));
  }

  assert.deepEqual([problems[0], problems[2]], [undefined, undefined]);
  assert.match(problems[1] ?? '', /certificate/);
  assert.equal(roots.reads, 1);
});
