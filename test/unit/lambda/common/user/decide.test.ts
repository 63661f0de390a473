// As whom a command goes on, whoever has typed it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decideUser, type UserDecision, type UserFacts } from '#common/user/decide.ts';

const service = { uid: 990, gid: 990, name: 'pemfleet', home: '/var/lib/pemfleet' };
const root: UserFacts = { uid: 0, owner: 0, service: undefined, mayUse: true };
const alice: UserFacts = { uid: 1000, owner: 990, service: undefined, mayUse: false };

const ROWS: readonly [says: string, facts: UserFacts, decision: UserDecision][] = [
  ['root, where root owns the directory: a machine on which root runs everything', root, 'stay'],
  ['root, where root owns the directory, though the units have a user', { ...root, service }, 'stay'],
  ['root in the directory of a user', { ...root, owner: 990 }, 'become-owner'],
  [
    'root in the directory of a user who is not that of the units',
    { ...root, owner: 5, service },
    'become-owner',
  ],
  [
    'root at the first run, where the units have a user',
    { ...root, owner: undefined, service },
    'become-service',
  ],
  ['root at the first run of a container without users', { ...root, owner: undefined }, 'stay'],
  [
    'root, where the user of the units is root',
    { ...root, owner: undefined, service: { ...service, uid: 0 } },
    'stay',
  ],
  ['the owner', { ...alice, owner: 1000, mayUse: true }, 'stay'],
  [
    'the owner of a directory that is shut for him, too: its own error says why',
    { ...alice, owner: 1000 },
    'stay',
  ],
  ['another user', alice, 'refuse'],
  ['another user, whom an access list lets in', { ...alice, mayUse: true }, 'stay'],
  [
    'another user at the first run, where he may make the directory',
    { ...alice, owner: undefined, mayUse: true },
    'stay',
  ],
  ['another user, who cannot see whose it is', { ...alice, owner: undefined }, 'refuse'],
  ['a system without users', { ...alice, uid: undefined }, 'stay'],
];

for (const [says, facts, decision] of ROWS) {
  test(`${says}: ${decision}`, () => assert.equal(decideUser(facts), decision));
}
