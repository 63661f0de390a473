import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseVersion, compareVersions } from '../../support/debian/choose.mjs';

const wanted = /^3\.2\./;
const choices = [
  {
    name: 'the first suite has it',
    offers: [
      { suite: 'sid', versions: ['3.2.26-1'] },
      { suite: 'trixie', versions: ['3.0.11-1'] },
    ],
    choice: { suite: 'sid', version: '3.2.26-1' },
  },
  {
    name: 'only a later suite has it, because the first has moved on',
    offers: [
      { suite: 'sid', versions: ['3.4.7-1'] },
      { suite: 'forky', versions: ['3.2.26-1'] },
    ],
    choice: { suite: 'forky', version: '3.2.26-1' },
  },
  {
    name: 'the newest wins, wherever it is: a number is no text',
    offers: [
      { suite: 'sid', versions: ['3.2.9-1'] },
      { suite: 'forky', versions: ['3.2.26-1', '3.2.4-1'] },
      { suite: 'trixie-backports', versions: ['3.2.26-1~bpo13+1'] },
    ],
    choice: { suite: 'forky', version: '3.2.26-1' },
  },
  {
    name: 'several suites have the same version: the first of them',
    offers: [
      { suite: 'experimental', versions: ['3.4.7-1'] },
      { suite: 'sid', versions: ['3.2.26-1'] },
      { suite: 'forky', versions: ['3.2.26-1'] },
    ],
    choice: { suite: 'sid', version: '3.2.26-1' },
  },
  {
    name: 'a suite does not exist, and another has it',
    offers: [{ suite: 'duke' }, { suite: 'forky', versions: ['3.2.26-1'] }],
    choice: { suite: 'forky', version: '3.2.26-1' },
  },
  {
    name: 'none has it',
    offers: [
      { suite: 'sid', versions: ['3.4.7-1', '3.3.1-1'] },
      { suite: 'trixie', versions: [] },
      { suite: 'duke' },
    ],
    choice: {
      refusal:
        'no suite of Debian has a version that matches /^3\\.2\\./: sid has 3.4.7-1 and 3.3.1-1, trixie has none, duke cannot be read',
    },
  },
];
for (const { name, offers, choice } of choices) {
  test(`a part's version: ${name}`, () => {
    assert.deepEqual(chooseVersion(wanted, offers), choice);
  });
}

// each is older than the next
const order = [
  ...['1.0~~', '1.0~rc1-1', '1.0', '1.0-1~bpo12+1', '1.0-1', '1.0-1+b7', '1.0-1+deb12u1', '1.0-1.1'],
  ...['1.0a-1', '1.0+ds-1', '1.0.1-1', '1.9-1', '1.10-1', '1:0.1-1'],
];
test('deb-version(7): versions sort as dpkg sorts them', () => {
  assert.deepEqual([...order].reverse().sort(compareVersions), order);
  assert.equal(compareVersions('1.00-0', '0:1.0'), 0);
});
