// `pemfleet import` as an operator types it: what it takes, what it refuses, and that a refusal or a dry run changes no byte.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { DAY_MS } from '#common/time.ts';
import { importCommand } from '../../../../lambda/commands/import/import.ts';
import { planCommand } from '../../../../lambda/commands/pass.ts';
import { revokeCommand } from '../../../../lambda/commands/revoke.ts';
import { statusCommand } from '../../../../lambda/commands/status.ts';
import { auditCommand } from '../../../../lambda/commands/undo/audit.ts';
import { historyCommand } from '../../../../lambda/commands/undo/history.ts';
import { holdCommand } from '../../../../lambda/commands/undo/hold.ts';
import { rollbackCommand } from '../../../../lambda/commands/undo/rollback.ts';
import { directoryNamed } from '../../../../lambda/config/known-cas.ts';
import { makePkcs12 } from '../../../support/issuer/pkcs12.ts';
import { createPki } from '../../../support/parts/pki.ts';
import { stage } from '../undo/stage.ts';

const pki = await createPki();
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);
const names = ['shop.test', 'www.shop.test'];
const [bought, next, other, ending] = await Promise.all([
  pki.issue({ names, notAfter: inDays(200) }),
  pki.issue({ names, notAfter: inDays(400) }),
  pki.issue({ names: ['shop.test'], notAfter: inDays(900) }),
  pki.issue({ names, notAfter: inDays(10) }),
]);
const shop = { name: 'shop', imported: true, identifiers: ['shop.test'], fleets: ['edge'] };
const kept = { name: 'kept', identifiers: ['kept.test'], fleets: ['edge'] };

async function shopkeeper(t: Parameters<typeof stage>[0], certificates: object[] = [shop, kept]) {
  const operator = await stage(t, { certificates });
  const { dir, run } = operator;
  const file = (name: string, body: string | Buffer) => {
    writeFileSync(join(dir, name), body, { mode: 0o600 });
    return join(dir, name);
  };
  const bring = (...words: string[]) => run(importCommand, 'import', ...words);
  const tree = () =>
    readdirSync(join(dir, 'bucket'), { recursive: true, withFileTypes: true })
      // The lock of the passes is empty, and stays.
      .filter((one) => one.isFile() && one.name !== '.lock-pass')
      .map((one) => [one.name, readFileSync(join(one.parentPath, one.name), 'base64')].join(' '))
      .sort();
  return { ...operator, bring, file, tree };
}

const serialOf = (entry: { pems: { serial: string }[] } | undefined) => entry?.pems[0]?.serial;

test('a bought certificate is published under the name that waits for it; a second time nothing changes', async (t) => {
  const { bring, file, entryOf, run } = await shopkeeper(t);
  const [leaf, chain, key] = [
    file('a.crt', bought.leafPem),
    file('b.ca', pki.intermediatePem + pki.rootPem),
    file('c.key', bought.keyPem),
  ];

  const { status, err, out } = await bring(leaf, chain, key, '--json', '--reason', 'order 4711');

  assert.equal(status, 0, `${status} ${err}`);
  const document = JSON.parse(out);
  assert.deepEqual(
    [document.certificate, document.fleets],
    ['shop', [{ fleet: 'edge', result: 'published' }]],
  );
  assert.equal((await entryOf('shop'))?.issued.origin, 'imported');
  const again = await bring(key, leaf, chain);
  assert.match(again.err, /is published already to fleet edge/);
  const { lines } = JSON.parse((await run(auditCommand, 'audit', 'shop', '--json')).out);
  assert.equal(lines.length, 1);
  assert.deepEqual([lines[0].action, lines[0].reason], ['imported', 'order 4711']);
  assert.match((await run(historyCommand, 'history', 'shop')).out, /in force .* imported /);
});

test('PKCS#12 by its passphrase file; the passphrase stands in no line', async (t) => {
  const { bring, dir, file, entryOf } = await shopkeeper(t);
  const pfx = file('shop.pfx', makePkcs12(dir, bought.combined, { passphrase: 'geheim-4711', legacy: true }));

  const { status, err } = await bring(pfx, '--passphrase-file', file('word', 'geheim-4711\n'));

  assert.equal(status, 0, `${status} ${err}`);
  assert.ok(await entryOf('shop'));
  assert.ok(!err.includes('geheim'));
});

test('what browsers do not trust takes the place of nothing that they do, unless that is meant', async (t) => {
  const { bring, file, tree, publishFrom, entryOf } = await shopkeeper(t);
  await publishFrom(directoryNamed('letsencrypt'), 'shop', { names });
  const whole = file('whole.pem', bought.combined);
  const before = tree();

  const refused = await bring(whole);

  assert.match(
    String(refused.status),
    /ERR_CA_UNTRUSTED shop: browsers trust .* in force .*--replace-trusted/,
  );
  assert.deepEqual(tree(), before);
  const meant = await bring(whole, '--replace-trusted');
  assert.equal(meant.status, 0, `${meant.status} ${meant.err}`);
  assert.equal((await entryOf('shop'))?.issued.origin, 'imported');
});

test('what is refused changes no byte, and neither does a dry run', async (t) => {
  const { bring, dir, file, tree } = await shopkeeper(t);
  const pfx = file('shop.pfx', makePkcs12(dir, bought.combined, { passphrase: 'geheim' }));
  const whole = file('whole.pem', bought.combined);
  const before = tree();
  const rows: [words: string[], wanted: RegExp][] = [
    [[pfx], /ERR_IMPORT .*is encrypted: give its passphrase with --passphrase-file/],
    [[pfx, '--passphrase-file', file('wrong', 'x')], /ERR_IMPORT .*the passphrase does not open it/],
    [[file('a', bought.leafPem + other.keyPem + pki.intermediatePem)], /ERR_PEM_KEY_MISMATCH/],
    [[file('b', bought.leafPem + bought.keyPem)], /ERR_PEM_CHAIN the intermediate certificate is missing/],
    [[whole, '--fleet', 'core'], /ERR_IMPORT shop is configured for edge, not for core/],
    [
      [whole, '--name', 'kept'],
      /ERR_IMPORT kept is configured for kept\.test, which this certificate does not have/,
    ],
    [
      [whole, '--name', 'new'],
      /ERR_IMPORT new is not configured: say where it belongs with --fleet FLEET, .*imported: true/,
    ],
    [[whole, '--name', 'a/b'], /UsageError .*a\/b is no name/],
    [[join(dir, 'nowhere')], /ERR_CONFIG .*cannot be read \(ENOENT\)/],
    [[dir], /ERR_CONFIG .*cannot be read \(EISDIR\)/],
    [['/dev/zero'], /ERR_CONFIG .*wanted at most 1048576 bytes/],
    [[], /UsageError .*import wants files/],
    [[whole, '--passphrase-file', 'a', '--passphrase-fd', '3'], /UsageError .*saw both/],
    [
      [file('old', (await pki.issue({ names, notBefore: inDays(-9), notAfter: inDays(-1) })).combined)],
      /ERR_PEM_VALIDITY .*has expired/,
    ],
    [
      [file('new', (await pki.issue({ names, notBefore: inDays(1) })).combined)],
      /ERR_PEM_VALIDITY .*not yet valid/,
    ],
  ];
  for (const [words, wanted] of rows) {
    assert.match(String((await bring(...words)).status), wanted, words.join(' '));
  }
  const dry = await bring(whole, '--dry-run');
  assert.deepEqual([dry.status, tree()], [0, before]);
  assert.match(dry.err, /shop: .* would be published to fleet edge/);
});

test('the next one takes its place; an older one, or one with fewer names, wants --force; rollback brings it back', async (t) => {
  const { bring, file, entryOf, run } = await shopkeeper(t);
  const [first, second, fewer] = [
    file('1', bought.combined),
    file('2', next.combined),
    file('3', other.combined),
  ];
  await bring(first);
  const serial = serialOf(await entryOf('shop'));
  assert.equal((await bring(second)).status, 0);
  const later = serialOf(await entryOf('shop'));

  assert.match(
    String((await bring(first)).status),
    /ERR_IMPORT shop: fleet edge has \w+, which ends at \S+; this one ends earlier, .*--force/,
  );
  assert.match(
    String((await bring(fewer)).status),
    /ERR_IMPORT shop: fleet edge serves www\.shop\.test by it/,
  );

  assert.equal(serialOf(await entryOf('shop')), later);
  const { status, err } = await run(rollbackCommand, 'rollback', 'shop', '--reason', 'wrong order');
  assert.deepEqual([status, serialOf(await entryOf('shop'))], [0, serial], err);
  assert.equal((await bring(second, '--force')).status, 0);
});

test('its end is told from thirty days on, in status and in the note of the import', async (t) => {
  const { bring, file, run } = await shopkeeper(t, [shop]);

  const { err } = await bring(file('1', ending.combined));

  assert.match(err, /note: it ends in (9|10) days: nobody renews it/);
  const { out, status } = await run(statusCommand, 'status', '--json');
  const { problems } = JSON.parse(out);
  assert.equal(status, 1);
  assert.deepEqual(
    problems.map(({ code, certificate }: Record<string, string>) => [code, certificate]),
    [['ending', 'shop']],
  );
  const plan = await run(planCommand, 'plan', '--json');
  const [outcome] = JSON.parse(plan.out).outcomes;
  assert.deepEqual([outcome.certificate, outcome.result, outcome.reason], ['shop', 'kept', 'imported']);
});

test('what waits for its import is missing, and nothing is ordered for it', async (t) => {
  const { run } = await shopkeeper(t, [shop]);

  const { out } = await run(statusCommand, 'status', '--json');

  assert.match(
    JSON.stringify(JSON.parse(out).problems),
    /nothing is imported: pemfleet import FILE… --name shop/,
  );
  const [outcome] = JSON.parse((await run(planCommand, 'plan', '--json')).out).outcomes;
  assert.deepEqual([outcome.result, outcome.reason], ['deferred', 'import-missing']);
});

test('a name that is not configured goes where --fleet says, and stays served; the lines for pemfleet.yaml are printed', async (t) => {
  const { bring, file, entryOf, run } = await shopkeeper(t, [kept]);

  const { status, err } = await bring(file('1', bought.combined), '--fleet', 'edge');

  assert.equal(status, 0, `${status}`);
  assert.match(
    err,
    /- name: shop\.test\n {4}imported: true\n {4}identifiers: \[shop\.test, www\.shop\.test\]\n {4}fleets: \[edge\]/,
  );
  assert.ok(await entryOf('shop.test'));
  const { out } = await run(planCommand, 'plan', '--json');
  const [one] = JSON.parse(out).unconfigured;
  assert.deepEqual([one.certificate, one.result, one.reason], ['shop.test', 'kept', 'imported']);
});

test('names that another certificate has, too, are told', async (t) => {
  const { bring, file } = await shopkeeper(t, [shop, { ...kept, identifiers: ['www.shop.test'] }]);

  const { err } = await bring(file('1', bought.combined));

  assert.match(err, /note: kept has www\.shop\.test, too/);
});

test('revoke refuses what no account of ours has ordered, says whom to ask, and changes nothing', async (t) => {
  const { bring, file, run, tree } = await shopkeeper(t);
  await bring(file('1', bought.combined));
  const before = tree();

  const { status } = await run(revokeCommand, 'revoke', 'shop', '--reason', 'keyCompromise');

  assert.match(
    String(status),
    /ERR_ACME_NOT_OFFERED shop: \w+ was imported, .* ask its CA \(CN=pemfleet test intermediate\)/,
  );
  assert.deepEqual(tree(), before);
});

test('what an operator holds is not published to, unless he says so', async (t) => {
  const { bring, file, run, entryOf } = await shopkeeper(t);
  const whole = file('1', bought.combined);
  await run(holdCommand, 'hold', '--fleet', 'edge', '--reason', 'freeze');

  const { status } = await bring(whole);

  assert.match(String(status), /ERR_IMPORT fleet edge is held \(freeze\): pemfleet resume --fleet edge/);
  assert.equal(await entryOf('shop'), undefined);
  assert.equal((await bring(whole, '--force')).status, 0);
});

test('a certificate of an RSA key below an authority of another kind is imported over another one: the key that signs is read all the same', async (t) => {
  const rsa = await pki.issue({ names, keyType: 'rsa-2048', notAfter: inDays(300) });
  const { bring, file, entryOf } = await shopkeeper(t);
  const of = ({ leafPem, keyPem }: typeof rsa) => file('all.pem', leafPem + pki.intermediatePem + keyPem);
  assert.equal((await bring(of(bought))).status, 0);

  const { status, err } = await bring(of(rsa));

  assert.equal(status, 0, err);
  assert.equal(serialOf(await entryOf('shop')), new X509Certificate(rsa.leafPem).serialNumber);
});

test('--fleet is all fleets of the entry, or none; a refusal in an empty bucket makes no key', async (t) => {
  const both = { ...shop, fleets: ['edge', 'core'] };
  const { bring, dir, file } = await shopkeeper(t, [both]);
  const expired = await pki.issue({ names, notBefore: inDays(-20), notAfter: inDays(-10) });
  rmSync(join(dir, 'bucket'), { recursive: true, force: true });

  const part = await bring(file('1', bought.combined), '--fleet', 'edge');
  const over = await bring(file('2', expired.combined));

  assert.match(String(part.status), /ERR_IMPORT shop is configured for core, too, .*: leave --fleet out/);
  assert.match(String(over.status), /ERR_PEM_VALIDITY/);
  const left = readdirSync(join(dir, 'bucket'), { recursive: true, withFileTypes: true });
  assert.deepEqual(
    left.flatMap((one) => (one.isFile() && !one.name.startsWith('.lock') ? one.name : [])),
    [],
  );
});
