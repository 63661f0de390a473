// F17: `pemfleet revoke` typed again, and with another word: the old certificate is revoked, and nothing else. Pebble, in this process.
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { readRevocation } from '../../../../lambda/replacement/revocations.ts';
import { fleet, named } from '../../../support/issuer/documents.ts';
import { type Operator, startOperator } from '../../../support/issuer/operator.ts';
import { parseRoot } from '../../../support/parse-root.ts';

const name = named('a.test');
const KEY_COMPROMISE = ['revoke', 'a.test', '--reason', 'keyCompromise'] as const;

interface Stage extends Operator {
  old: { sha256: string; serial: string };
}

const inForce = async ({ bucket }: Pick<Operator, 'bucket'>) => {
  const body = (await bucket.get(layout.root(fleet)))?.body ?? Buffer.alloc(0);
  return parseRoot(fleet, body).manifest.certificates[name]?.pems[0];
};

const statesOf = (pebble: Operator['pebble'], serials: readonly (string | undefined)[]) =>
  Promise.all(serials.map(async (serial = '') => (await pebble.certStatusBySerial(serial)).Status));

/** A certificate is in force. */
async function stage(t: TestContext): Promise<Stage> {
  const operator = await startOperator(t);
  assert.equal((await operator.pemfleet('run')).status, 0);
  const old = await inForce(operator);
  assert.ok(old !== undefined);
  return { ...operator, old };
}

for (const [says, words] of [
  ['--now', ['--now']],
  ['--no-replace', ['--no-replace']],
] as const) {
  test(`${says}, typed again after it is done, revokes nothing else, and names the command that would`, async (t) => {
    const operator = await stage(t);
    const { pebble, pemfleet, old } = operator;
    const first = await pemfleet(...KEY_COMPROMISE, ...words);
    assert.equal(first.status, 0, first.stderr);
    const bare = await pemfleet(...KEY_COMPROMISE, ...words);
    assert.equal((await pemfleet('run')).status, 0);
    const replacement = await inForce(operator);

    const again = await pemfleet(...KEY_COMPROMISE, ...words, '--json');
    const dry = await pemfleet(...KEY_COMPROMISE, ...words, '--dry-run');

    assert.deepEqual([bare.status, again.status, dry.status], [0, 0, 0], bare.stderr + again.stderr);
    for (const { stderr } of [again, dry]) {
      assert.match(
        stderr,
        new RegExp(`nothing to do: ${old.serial} is revoked since 20.*--serial ${replacement?.serial}`),
      );
    }
    assert.deepEqual(JSON.parse(again.stdout), { version: 1, revocations: [] });
    assert.deepEqual(await statesOf(pebble, [old.serial, replacement?.serial]), ['Revoked', 'Valid']);
    assert.deepEqual(await inForce(operator), replacement, 'nothing is ordered');

    const meant = await pemfleet(...KEY_COMPROMISE, '--serial', replacement?.serial ?? '', '--now');

    assert.equal(meant.status, 0, meant.stderr);
    assert.deepEqual(await statesOf(pebble, [replacement?.serial]), ['Revoked']);
  });
}

test('a weaker reason than the one that waits does not make the stolen key a sound one', async (t) => {
  const { bucket, pebble, pemfleet, old } = await stage(t);
  assert.equal((await pemfleet(...KEY_COMPROMISE)).status, 3);
  const weaker = ['revoke', 'a.test', '--serial', old.serial, '--reason', 'superseded', '--now'];

  const dry = await pemfleet(...weaker, '--dry-run');
  const now = await pemfleet(...weaker);

  assert.match(dry.stderr, new RegExp(`${old.serial} would be revoked \\(keyCompromise\\)`));
  assert.equal(now.status, 0, now.stderr);
  assert.match(now.stderr, new RegExp(`${old.serial} .*keyCompromise.* stands`));
  assert.deepEqual(await statesOf(pebble, [old.serial]), ['Revoked']);
  assert.equal(await bucket.get(layout.pem(fleet, name, old.sha256)), undefined, 'the key is erased');
  assert.equal(await readRevocation(bucket, name), undefined);
});

test('where the request cannot be read, only --serial says which certificate is meant: nothing is done without it', async (t) => {
  const operator = await stage(t);
  const { bucket, pebble, pemfleet, old } = operator;
  assert.equal((await pemfleet(...KEY_COMPROMISE)).status, 3);
  const replacement = await inForce(operator);
  await bucket.put(layout.revocation(name), '[[[');
  const before = operator.files();

  for (const words of [[], ['--now'], ['--no-replace']]) {
    const { status } = await pemfleet(...KEY_COMPROMISE, ...words);
    assert.match(String(status), /ERR_REFUSED .*cannot be read.*--serial/);
  }
  assert.deepEqual(operator.files(), before);

  const now = await pemfleet(...KEY_COMPROMISE, '--serial', old.serial, '--now');

  assert.equal(now.status, 0, now.stderr);
  assert.deepEqual(await statesOf(pebble, [old.serial, replacement?.serial]), ['Revoked', 'Valid']);
  assert.equal(await readRevocation(bucket, name), undefined);
});

for (const [says, spoil] of [
  ['', undefined],
  [' of what could not be read', '[[['],
] as const) {
  test(`after --cancel${says}, the same words are unclear as long as the old one is valid: only --serial says which`, async (t) => {
    const operator = await stage(t);
    const { bucket, pebble, pemfleet, old } = operator;
    assert.equal((await pemfleet(...KEY_COMPROMISE)).status, 3);
    const replacement = await inForce(operator);
    if (spoil !== undefined) await bucket.put(layout.revocation(name), spoil);
    assert.equal((await pemfleet('revoke', 'a.test', '--cancel')).status, 0);
    assert.match((await pemfleet('revoke', 'a.test', '--cancel')).stderr, /no revocation is asked for/);
    assert.equal((await pemfleet('run')).status, 0);
    const before = operator.files();

    for (const words of [[], ['--now'], ['--no-replace'], ['--now', '--dry-run']]) {
      const { status } = await pemfleet(...KEY_COMPROMISE, ...words);
      const both = `--serial ${old.serial}, or --serial ${replacement?.serial}`;
      assert.match(String(status), new RegExp(`RevocationUnclear ERR_REFUSED .*${both}`));
    }
    assert.deepEqual(operator.files(), before);

    const now = await pemfleet(...KEY_COMPROMISE, '--serial', old.serial, '--now');

    assert.equal(now.status, 0, now.stderr);
    assert.deepEqual(await statesOf(pebble, [old.serial, replacement?.serial]), ['Revoked', 'Valid']);
    assert.equal(await bucket.get(layout.pem(fleet, name, old.sha256)), undefined, 'the key is erased');
    assert.equal(await readRevocation(bucket, name), undefined, 'nothing is left of the request');
  });
}

test('a request that was taken back says nothing of what an ordinary renewal has put in the place of its replacement', async (t) => {
  const operator = await stage(t);
  const { pebble, pemfleet, old } = operator;
  assert.equal((await pemfleet(...KEY_COMPROMISE)).status, 3);
  assert.equal((await pemfleet('revoke', 'a.test', '--cancel')).status, 0);
  assert.equal((await pemfleet('renew', 'a.test')).status, 0);
  const renewed = await inForce(operator);

  const now = await pemfleet(...KEY_COMPROMISE, '--now');

  assert.equal(now.status, 0, now.stderr);
  assert.deepEqual(await statesOf(pebble, [old.serial, renewed?.serial]), ['Valid', 'Revoked']);
});

test('typed for another reason, or a day later, it may mean what is in force: it refuses, and names the command', async (t) => {
  const operator = await stage(t);
  const { bucket, pebble, pemfleet, old } = operator;
  const superseded = ['revoke', 'a.test', '--reason', 'superseded', '--now'] as const;
  assert.equal((await pemfleet(...superseded)).status, 0);
  const replacement = await inForce(operator);
  const refused = async (words: readonly string[], why: string) => {
    const { status } = await pemfleet(...words);
    const command = `pemfleet revoke a.test --serial ${replacement?.serial} --reason ${words[3]}`;
    const text = `RevocationUnclear ERR_REFUSED .*${old.serial} is revoked since 20.*${why}.*${replacement?.serial}.*another key.*${command}`;
    assert.match(String(status), new RegExp(text));
  };
  const key = layout.history(fleet, name);
  const history = (await bucket.get(key))?.body.toString() ?? '';
  const twoDaysAgo = new Date(Date.now() - 2 * DAY_MS).toISOString();

  const again = await pemfleet(...superseded);
  await refused([...KEY_COMPROMISE, '--now'], 'superseded');
  await bucket.put(key, history.replace(/("revoked":\s*\{\s*"at":\s*)"[^"]*"/, `$1"${twoDaysAgo}"`));
  await refused(superseded, 'superseded');
  await bucket.put(key, history.replace('"revoked"', '"revoked-earlier"'));
  await refused(superseded, 'nobody knows');

  assert.equal(again.status, 0, again.stderr);
  assert.match(again.stderr, /nothing to do/);
  assert.deepEqual(await statesOf(pebble, [old.serial, replacement?.serial]), ['Revoked', 'Valid']);
});

test('what is in force with the key of a revoked certificate is meant, once that key is stolen', async (t) => {
  const operator = await stage(t);
  const { configure, pebble, pemfleet, old } = operator;
  configure({ certificates: [{ identifiers: ['a.test'], reuseKey: true }] });
  assert.equal((await pemfleet('renew', 'a.test')).status, 0);
  const renewed = await inForce(operator);
  const first = ['revoke', 'a.test', '--serial', old.serial, '--reason', 'superseded', '--now'];
  assert.equal((await pemfleet(...first)).status, 0);

  const unclear = await pemfleet('revoke', 'a.test', '--reason', 'cessationOfOperation', '--now');
  const stolen = await pemfleet(...KEY_COMPROMISE, '--now');

  assert.match(
    String(unclear.status),
    new RegExp(`RevocationUnclear .*${renewed?.serial}.* has the same key`),
  );
  assert.equal(stolen.status, 0, stolen.stderr);
  const last = await inForce(operator);
  assert.deepEqual(await statesOf(pebble, [renewed?.serial, last?.serial]), ['Revoked', 'Valid']);
});

test('with a version in force that a rollback has brought back, the words may mean either: nothing is revoked', async (t) => {
  const operator = await stage(t);
  const { pebble, pemfleet, old: first } = operator;
  assert.equal((await pemfleet('renew', 'a.test')).status, 0);
  const second = await inForce(operator);
  assert.equal((await pemfleet('revoke', 'a.test', '--reason', 'superseded')).status, 3);
  assert.equal((await pemfleet('rollback', 'a.test', '--to', first.serial, '--reason', 'a test')).status, 0);

  for (const more of [[], ['--now'], ['--now', '--dry-run']]) {
    const again = await pemfleet('revoke', 'a.test', '--reason', 'superseded', ...more);
    const told = `ERR_REFUSED .*${second?.serial} waits to be revoked.*--serial ${second?.serial}, or --serial ${first.serial}`;
    assert.match(String(again.status), new RegExp(told), more.join(' '));
  }
  assert.deepEqual(await statesOf(pebble, [first.serial, second?.serial]), ['Valid', 'Valid']);
  assert.equal((await inForce(operator))?.serial, first.serial);
});

test('a fleet that is added since has only the replacement: typed again, the words mean the old one', async (t) => {
  const operator = await stage(t);
  const { pebble, pemfleet, configure, old } = operator;
  assert.equal((await pemfleet(...KEY_COMPROMISE, '--now')).status, 0);
  const replacement = await inForce(operator);
  configure({ certificates: [{ identifiers: ['a.test'], fleets: [fleet, 'other'] }] });
  assert.equal((await pemfleet('run')).status, 0);

  const again = await pemfleet(...KEY_COMPROMISE, '--now');

  assert.equal(again.status, 0, again.stderr);
  assert.match(again.stderr, /nothing to do/);
  assert.deepEqual(await statesOf(pebble, [old.serial, replacement?.serial]), ['Revoked', 'Valid']);
});
