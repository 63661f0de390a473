import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { FileRecord } from '../../../../agent/state/file-record.ts';
import { readOwnership } from '../../../../agent/state/ownership.ts';
import { ShardedMap } from '../../../../agent/state/sharded-map.ts';
import { certificateName, fleetName } from '../../../../lambda/contract/layout.ts';
import { tempDir } from '../../../support/temp-dir.ts';

const stateDir = '/var/lib/pemfleet-agent';
const record: FileRecord = { certificate: certificateName.parse('shop'), written: ['a'.repeat(64)] };

/** What the agent of fleet b makes of the file of fleet a's. */
async function ownerFor(
  t: TestContext,
  first: { host?: string },
  second: { host?: string; stateDir?: string },
) {
  const certsDir = tempDir(t);
  const open = (fleet: string, place: object) =>
    readOwnership({ certsDir, stateDir, fleet: fleetName.parse(fleet), ...place }, () => undefined);
  const files = ShardedMap.of({ 'shop.pem': record });
  assert.equal(await (await open('a', first)).save({ fleet: fleetName.parse('a'), files }), true);
  const ownership = await open('b', second);
  const taken = ownership.recordsWith({ fleet: fleetName.parse('b'), files: ShardedMap.of<FileRecord>({}) });
  return { taken: [...taken.files.keys()], otherOwner: ownership.otherOwnerOf('shop.pem') };
}

for (const [says, first, second] of [
  ['in two containers', { host: 'c1' }, { host: 'c2' }],
  ['of two state directories', { host: 'c1' }, { host: 'c1', stateDir: '/var/lib/other' }],
] as const) {
  test(`two agents ${says} that share HAProxy's directory leave each other's files alone`, async (t) => {
    assert.deepEqual(await ownerFor(t, first, second), { taken: [], otherOwner: 'a' });
  });
}

for (const [says, first] of [
  ['', { host: 'c1' }],
  [', also by what a former version has written', {}],
] as const) {
  test(`an agent whose fleet has another name and whose state is lost knows its files${says}`, async (t) => {
    assert.deepEqual(await ownerFor(t, first, { host: 'c1' }), {
      taken: ['shop.pem'],
      otherOwner: undefined,
    });
  });
}
