// F17: `pemfleet revoke` wants its reason, and revokes only when every living host has proved what takes its place. Pebble, in this process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FileStatus, serializeHostStatus } from '#contract/host-status.ts';
import { hostName, layout } from '#contract/layout.ts';
import { noteDeletedKeys } from '../../../../lambda/publication/history/deleted-keys.ts';
import { readRevocation, serialsOf } from '../../../../lambda/replacement/revocations.ts';
import { fleet, makeHostStatus, named } from '../../../support/issuer/documents.ts';
import { startOperator } from '../../../support/issuer/operator.ts';
import { parseRoot } from '../../../support/parse-root.ts';

const name = named('a.test');
const KEY_COMPROMISE = ['--reason', 'keyCompromise'] as const;

test('the certificate is replaced at once, and revoked by the pass that finds it proved on every living host', async (t) => {
  const { bucket, pebble, pemfleet } = await startOperator(t);
  assert.equal((await pemfleet('run')).status, 0);
  const pemInForce = async () => {
    const root = parseRoot(fleet, (await bucket.get(layout.root(fleet)))?.body ?? Buffer.alloc(0)).manifest;
    const [pem] = root.certificates[name]?.pems ?? [];
    if (pem === undefined) throw new TypeError('nothing is published');
    return { root, pem };
  };
  const report = async (host: string, pem: { sha256: string; serial: string }) => {
    const now = new Date().toISOString();
    const wanted = { sha256: pem.sha256, serial: pem.serial };
    const file: FileStatus = { file: 'a.test.pem', certificate: name, state: 'served', since: now, wanted };
    const status = makeHostStatus(host, { fleet, reportedAt: now, files: [file] });
    await bucket.put(layout.status(fleet, hostName.parse(host)), serializeHostStatus(status));
  };
  const isRevoked = async (serial: string) => (await pebble.certStatusBySerial(serial)).Status === 'Revoked';
  const { pem: old } = await pemInForce();
  for (const host of ['lb1', 'lb2']) await report(host, old);

  const bare = await pemfleet('revoke', 'a.test');
  const asked = await pemfleet('revoke', 'a.test', ...KEY_COMPROMISE);

  assert.match(String(bare.status), /^UsageError .*--reason wants one of .*keyCompromise.*, saw none/);
  assert.equal(asked.status, 3, asked.stderr);
  assert.match(
    asked.stderr,
    new RegExp(
      `a.test: ${old.serial} is revoked by the pass that finds that these hosts .*default/lb1, default/lb2`,
    ),
  );
  const { pem: replacement } = await pemInForce();
  assert.notEqual(replacement.serial, old.serial);
  await report('lb1', replacement);

  const early = await pemfleet('run');

  assert.equal(early.status, 0);
  assert.match(early.stderr, /default\/lb2;/);
  assert.equal(await isRevoked(old.serial), false);
  assert.match(
    (await pemfleet('status')).stdout,
    new RegExp(`^note: a.test: ${old.serial} is to be revoked \\(keyCompromise\\), .* waits for lb2`, 'm'),
  );
  await report('lb2', replacement);

  const late = await pemfleet('run');

  assert.equal(late.status, 0, late.stderr);
  assert.match(late.stderr, new RegExp(`a.test: ${old.serial} revoked \\(keyCompromise\\)`));
  assert.equal(await isRevoked(old.serial), true);
  const { root, pem } = await pemInForce();
  assert.equal(pem.serial, replacement.serial, 'nothing is ordered a second time');
  assert.deepEqual(
    root.tombstones[name]?.pems.map(({ sha256 }) => sha256),
    [old.sha256],
  );
  assert.equal(root.tombstones[name]?.stolenAt, root.tombstones[name]?.at);
  assert.equal(await readRevocation(bucket, name), undefined);
  const { lines } = JSON.parse((await pemfleet('audit', 'a.test', '--json')).stdout);
  assert.deepEqual(
    lines.map(({ action }: { action: string }) => action),
    ['issued', 'revocation-asked', 'renewed', 'revoked-at-ca', 'revoked', 'key-deleted'],
  );
  const pems = await bucket.list(layout.pems(fleet, name));
  assert.deepEqual(
    pems,
    [layout.pem(fleet, name, replacement.sha256)],
    'the pass that revokes deletes the stolen key',
  );
  assert.match(lines.at(-3).reason, /^keyCompromise: .*pemfleet revoke a.test|^keyCompromise: /);
});

test('a hold does not keep what is to be revoked; where no host has ever reported, nothing is revoked without --now', async (t) => {
  const { pebble, pemfleet, bucket } = await startOperator(t);
  const serialOf = async () => {
    const root = parseRoot(fleet, (await bucket.get(layout.root(fleet)))?.body ?? Buffer.alloc(0)).manifest;
    return root.certificates[name]?.pems[0]?.serial ?? '';
  };
  assert.equal((await pemfleet('run')).status, 0);
  assert.equal((await pemfleet('hold', 'a.test', '--reason', 'a test')).status, 0);
  assert.equal((await pemfleet('renew', 'a.test')).status, 1);
  const old = await serialOf();

  const asked = await pemfleet('revoke', 'a.test', '--reason', 'superseded');
  const replacement = await serialOf();

  assert.equal(asked.status, 3, asked.stderr);
  assert.match(asked.stderr, /hold\.broken certificate=a\.test reason=revoked/);
  assert.match(asked.stderr, /and a host has proved it; --now waits for nobody, --cancel ends it/);
  assert.notEqual(replacement, old);
  assert.equal((await pebble.certStatusBySerial(old)).Status, 'Valid');

  const back = await pemfleet('rollback', 'a.test', '--to', old, '--reason', 'a test');
  assert.match(String(back.status), /^CommandRefused ERR_REFUSED .* is to be revoked/);

  const cancelled = await pemfleet('revoke', 'a.test', '--cancel');
  const again = await pemfleet('revoke', 'a.test', '--cancel');

  assert.deepEqual([cancelled.status, again.status], [0, 0]);
  assert.match(again.stderr, /no revocation is asked for/);
  const now = await pemfleet('revoke', 'a.test', '--serial', old, '--reason', 'superseded', '--now');
  assert.equal(now.status, 0, now.stderr);
  assert.equal((await pebble.certStatusBySerial(old)).Status, 'Revoked');
  assert.equal(await serialOf(), replacement);
});

test('a CA that does not revoke is told in each pass until it does; a request that cannot be read revokes nothing', async (t) => {
  const { ca, pemfleet, bucket } = await startOperator(t);
  assert.equal((await pemfleet('run')).status, 0);
  const root = parseRoot(fleet, (await bucket.get(layout.root(fleet)))?.body ?? Buffer.alloc(0)).manifest;
  const [old] = root.certificates[name]?.pems ?? [];
  assert.equal((await pemfleet('revoke', 'a.test', '--reason', 'superseded')).status, 3);
  const after = parseRoot(fleet, (await bucket.get(layout.root(fleet)))?.body ?? Buffer.alloc(0)).manifest;
  const [pem] = after.certificates[name]?.pems ?? [];
  const now = new Date().toISOString();
  const wanted = { sha256: pem?.sha256 ?? '', serial: pem?.serial ?? '' };
  const files: FileStatus[] = [
    { file: 'a.test.pem', certificate: name, state: 'served', since: now, wanted },
  ];
  const status = makeHostStatus('lb1', { fleet, reportedAt: now, files });
  await bucket.put(layout.status(fleet, hostName.parse('lb1')), serializeHostStatus(status));
  const stored = (await bucket.get(layout.revocation(name)))?.body.toString() ?? '';
  await bucket.put(layout.revocation(name), '[[[');
  const unreadable = [await pemfleet('run'), await pemfleet('status')];
  await bucket.put(layout.revocation(name), stored);
  ca.fault('revokeCert', async ({ forward }) => ({ ...(await forward()), status: 503 }), { times: 1 });

  const failed = await pemfleet('run');
  ca.clear();
  const done = await pemfleet('run');

  assert.match(unreadable[0]?.stderr ?? '', /revocation\.failed .*ERR_REVOCATION_REQUEST/);
  assert.equal(unreadable[1]?.status, 2);
  assert.equal(failed.status, 3, failed.stderr);
  assert.match(failed.stderr, /revocation\.failed certificate=a\.test/);
  assert.match(done.stderr, new RegExp(`a.test: ${old?.serial} revoked`));
});

for (const [says, now] of [
  ['at once', ['--now']],
  ['by a later pass', []],
] as const) {
  test(`a certificate whose key keyRetention has deleted is revoked by its serial, ${says}: it is kept without the key`, async (t) => {
    const { bucket, pebble, pemfleet } = await startOperator(t);
    const pemInForce = async () => {
      const body = (await bucket.get(layout.root(fleet)))?.body ?? Buffer.alloc(0);
      const [pem] = parseRoot(fleet, body).manifest.certificates[name]?.pems ?? [];
      if (pem === undefined) throw new TypeError('nothing is published');
      return pem;
    };
    assert.equal((await pemfleet('run')).status, 0);
    const old = await pemInForce();
    assert.equal((await pemfleet('renew', 'a.test')).status, 0);
    const key = layout.pem(fleet, name, old.sha256);
    const words = { at: new Date(), reason: 'keyRetention: 30d' };
    await noteDeletedKeys({ bucket, audit: undefined }, fleet, [key], words);
    await bucket.delete(key);
    assert.doesNotMatch((await bucket.get(layout.history(fleet, name)))?.body.toString() ?? '', /PRIVATE/);

    const serial = ['--serial', old.serial] as const;
    const preview = await pemfleet('revoke', 'a.test', ...serial, ...KEY_COMPROMISE, ...now, '--dry-run');
    const asked = await pemfleet('revoke', 'a.test', ...serial, ...KEY_COMPROMISE, ...now);
    if (now.length === 0) {
      const { sha256, serial: inForce } = await pemInForce();
      const since = new Date().toISOString();
      const wanted = { sha256, serial: inForce };
      const file: FileStatus = { file: 'a.test.pem', certificate: name, state: 'served', since, wanted };
      const status = makeHostStatus('lb1', { fleet, reportedAt: since, files: [file] });
      await bucket.put(layout.status(fleet, hostName.parse('lb1')), serializeHostStatus(status));
      assert.equal((await pemfleet('run')).status, 0);
    }

    assert.match(preview.stderr, new RegExp(`${old.serial} would be revoked`));
    assert.equal(asked.status, now.length === 0 ? 3 : 0, asked.stderr);
    assert.equal((await pebble.certStatusBySerial(old.serial)).Status, 'Revoked');
  });
}

test('where the certificate is gone with its key, the refusal says how whoever has both revokes it', async (t) => {
  const { bucket, pemfleet } = await startOperator(t);
  assert.equal((await pemfleet('run')).status, 0);
  const body = (await bucket.get(layout.root(fleet)))?.body ?? Buffer.alloc(0);
  const [old] = parseRoot(fleet, body).manifest.certificates[name]?.pems ?? [];
  assert.equal((await pemfleet('renew', 'a.test')).status, 0);
  await bucket.delete(layout.pem(fleet, name, old?.sha256 ?? ''));

  const { status } = await pemfleet('revoke', 'a.test', '--serial', old?.serial ?? '', ...KEY_COMPROMISE);

  assert.match(
    String(status),
    new RegExp(
      `^CommandRefused .*${old?.serial}.* no more.*certbot revoke --server https://\\S+ --cert-path CERT --key-path KEY`,
    ),
  );
});

test('the --now that the first word offers revokes the stolen certificate, not its replacement; typed twice it is one request', async (t) => {
  const { pebble, pemfleet, bucket } = await startOperator(t);
  const serialOf = async () => {
    const root = parseRoot(fleet, (await bucket.get(layout.root(fleet)))?.body ?? Buffer.alloc(0)).manifest;
    return root.certificates[name]?.pems[0]?.serial ?? '';
  };
  const statusOf = async (serial: string) => (await pebble.certStatusBySerial(serial)).Status;
  assert.equal((await pemfleet('run')).status, 0);
  const stolen = await serialOf();

  const first = await pemfleet('revoke', 'a.test', ...KEY_COMPROMISE);
  const replacement = await serialOf();
  const request = (await bucket.get(layout.revocation(name)))?.body.toString();
  const second = await pemfleet('revoke', 'a.test', ...KEY_COMPROMISE);

  assert.deepEqual([first.status, second.status], [3, 3], first.stderr + second.stderr);
  assert.equal(await serialOf(), replacement, 'nothing is ordered a second time');
  assert.equal((await bucket.get(layout.revocation(name)))?.body.toString(), request);

  const dry = await pemfleet('revoke', 'a.test', ...KEY_COMPROMISE, '--now', '--dry-run');
  const now = await pemfleet('revoke', 'a.test', ...KEY_COMPROMISE, '--now');

  assert.match(dry.stderr, new RegExp(`a.test: ${stolen} would be revoked`));
  assert.equal(now.status, 0, now.stderr);
  assert.deepEqual([await statusOf(stolen), await statusOf(replacement)], ['Revoked', 'Valid']);
  assert.equal(await serialOf(), replacement, 'nothing is ordered a second time');
  assert.equal(await readRevocation(bucket, name), undefined);
});

test('each certificate keeps the reason that it was asked for with; another one wants a serial, and --now ends no other request', async (t) => {
  const { pebble, pemfleet, bucket } = await startOperator(t);
  const serialOf = async () => {
    const root = parseRoot(fleet, (await bucket.get(layout.root(fleet)))?.body ?? Buffer.alloc(0)).manifest;
    return root.certificates[name]?.pems[0]?.serial ?? '';
  };
  const waiting = async () =>
    (await readRevocation(bucket, name))?.requests?.map((one) => [one.reason, serialsOf(one).join()]);
  assert.equal((await pemfleet('run')).status, 0);
  const stolen = await serialOf();
  assert.equal((await pemfleet('revoke', 'a.test', ...KEY_COMPROMISE)).status, 3);
  const fresh = await serialOf();

  const unclear = await pemfleet('revoke', 'a.test', '--reason', 'superseded');
  const weaker = await pemfleet('revoke', 'a.test', '--serial', stolen, '--reason', 'superseded');

  assert.match(String(unclear.status), new RegExp(`--serial ${stolen}, or --serial ${fresh}`));
  assert.equal(weaker.status, 3, weaker.stderr);
  assert.deepEqual(await waiting(), [['keyCompromise', stolen]]);

  const other = await pemfleet('revoke', 'a.test', '--serial', fresh, '--reason', 'superseded');

  assert.equal(other.status, 3, other.stderr);
  const last = await serialOf();
  assert.notEqual(last, fresh, 'what is in force is replaced first');
  assert.deepEqual(await waiting(), [
    ['keyCompromise', stolen],
    ['superseded', fresh],
  ]);

  const now = await pemfleet('revoke', 'a.test', '--serial', fresh, '--reason', 'superseded', '--now');

  assert.equal(now.status, 0, now.stderr);
  assert.deepEqual(await waiting(), [['keyCompromise', stolen]]);
  const states = await Promise.all([stolen, fresh, last].map((serial) => pebble.certStatusBySerial(serial)));
  assert.deepEqual(
    states.map(({ Status }) => Status),
    ['Valid', 'Revoked', 'Valid'],
  );
});
