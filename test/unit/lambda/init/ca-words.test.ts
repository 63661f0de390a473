/** Only the words that name CAs change in pemfleet.yaml, wherever YAML has them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeDirectories } from '../../../../lambda/init/plan/ca-words.ts';

const ROWS: readonly [says: string, before: string, after: string][] = [
  [
    'an alias changes where it is defined',
    'a: &ca old\nacme: { directoryUrl: *ca }',
    'a: &ca new\nacme: { directoryUrl: *ca }',
  ],
  [
    'an aliased map',
    'a: &m\n  directoryUrl: old # x\nacme: *m\n',
    'a: &m\n  directoryUrl: new # x\nacme: *m\n',
  ],
  ['double quotes', 'acme: {"directoryUrl": "old"}', 'acme: {"directoryUrl": "new"}'],
  ['a folded text', 'acme:\n  directoryUrl: >-\n    old\n  x: 1\n', 'acme:\n  directoryUrl: new\n  x: 1\n'],
  ['a tag', 'acme: { directoryUrl: !!str old }', 'acme: { directoryUrl: !!str new }'],
  ['another key of that name', 'acme: { x: { directoryUrl: old } }', 'acme: { x: { directoryUrl: old } }'],
];

for (const [says, before, after] of ROWS) {
  test(`the CA's word: ${says}`, () => {
    assert.equal(changeDirectories(before, [{ index: 0, word: 'new' }]), after);
  });
}

test('fallbacks count from one', () => {
  const text = 'fallback:\n  - directoryUrl: a\n  - directoryUrl: b\nacme:\n  directoryUrl: c\n';

  const changes = [
    { index: 0, word: 'z' },
    { index: 2, word: 'yy' },
  ];

  assert.equal(changeDirectories(text, changes), text.replace(': b', ': yy').replace(': c', ': z'));
});
