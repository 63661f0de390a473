/**
 * Least privilege: an evaluator of IAM policies judges the policies of the template. They allow what the programs do, no action
 * beyond that, and nothing that is forbidden.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAllowed, policies } from './rights-stage.ts';
import { ALLOWED, DENIED, type Row } from './rights-table.ts';

const titleOf = ([who, action, resource, context]: Row) =>
  `${who} ${action} ${resource.replace(/[0-9a-f]{64}/, '<digest>')}${context ? ` ${JSON.stringify(Object.values(context))}` : ''}`;

const ask = ([who, action, resource, context = {}]: Row) => isAllowed(who, { action, resource, context });

test('rights: what the programs do is allowed', async () => {
  for (const row of ALLOWED) assert.equal(await ask(row), true, titleOf(row));
});

test('rights: what is forbidden is denied', async () => {
  for (const row of DENIED) assert.equal(await ask(row), false, titleOf(row));
  assert.ok(DENIED.length >= 120, `${DENIED.length}`);
});

test('rights: no action is allowed that no program uses', () => {
  const used = new Set(ALLOWED.map(([who, action]) => `${who} ${action}`));
  const both = (who: string) => (who === 'issuer by http-01' ? ['issuer', who] : [who]);
  const unused = Object.entries(policies).flatMap(([who, documents]) =>
    documents
      .flatMap(({ Statement }) => Statement.filter(({ Effect }) => Effect === 'Allow'))
      .flatMap(({ Action }) => Action)
      .filter((action) => !both(who).some((name) => used.has(`${name} ${action}`)))
      .map((action) => `${who} ${action}`),
  );

  assert.deepEqual(unused, []);
});
