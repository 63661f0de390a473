// What an operator learns of the accounts at the CAs, and does to them: field rows of the deactivated account, of the changed contact, of
// the account that was lost and made anew without a word.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { layout } from '#contract/layout.ts';
import { problem } from '../../support/hostile-ca/faults.ts';
import { type Operator, startOperator } from '../../support/issuer/operator.ts';

async function shown({ pemfleet }: Operator, ...words: string[]) {
  const { status, stdout, stderr } = await pemfleet('account', '--json', ...words);
  return { status, stderr, account: JSON.parse(stdout).accounts[0] };
}

test('an account that is deactivated fails each order with the cure; account --new is the cure', async (t) => {
  const operator = await startOperator(t);
  const { pemfleet } = operator;
  const first = await shown(operator);
  const refused = await pemfleet('account', '--deactivate');
  const ended = await pemfleet('account', '--deactivate', '--yes');

  const failed = await pemfleet('run');
  const over = await shown(operator);
  const other = await shown(operator, '--new');
  const healed = await pemfleet('run', '--force-renewal');

  assert.deepEqual([first.status, first.account.status, ended.status], [0, 'valid', 0]);
  assert.match(String(refused.status), /^UsageError .*--deactivate --yes/);
  assert.equal(failed.status, 1);
  assert.match(
    failed.stderr,
    /ERR_ACME_ACCOUNT our account https:\S+ at https:\S+ is refused .*pemfleet account --new/,
  );
  assert.deepEqual([over.status, over.account.status], [1, 'refused']);
  assert.match(over.stderr, /another account: pemfleet account --new/);
  assert.deepEqual([other.status, other.account.status], [0, 'valid']);
  assert.notEqual(other.account.url, first.account.url);
  assert.match(
    other.stderr,
    new RegExp(`account.created .*account=${other.account.url} before=${first.account.url}`),
  );
  assert.equal(healed.status, 0, healed.stderr);
});

test('account --new keeps the account before it, whose certificates can still be revoked; --deactivate ends it', async (t) => {
  const operator = await startOperator(t);
  const { pemfleet, ca, files } = operator;
  assert.equal((await pemfleet('run')).status, 0);

  const kept = await shown(operator, '--new');
  const revoked = await pemfleet('revoke', 'a.test', '--no-replace', '--reason', 'superseded');
  const second = await shown(operator, '--new', '--deactivate');

  assert.equal(revoked.status, 0, revoked.stderr);
  assert.match(revoked.stderr, /a\.test: [0-9A-F]+ revoked \(superseded\)/);
  const stored = JSON.parse(files()[layout.account(ca.directoryUrl)] ?? '');
  assert.deepEqual([stored.url, stored.earlier[0].url], [second.account.url, kept.account.url]);
  assert.equal(stored.earlier.length, 2);
  // With its key, the one that was deactivated orders nothing more.
  assert.equal(
    ca.requests.filter(({ resource, status }) => resource === 'account' && status >= 400).length,
    0,
  );
});

test('a contact that was changed in the configuration reaches the CA at the next pass, once', async (t) => {
  const { ca, configure, pemfleet } = await startOperator(t);
  const told: unknown[] = [];
  ca.fault('account', ({ payload, forward }) => {
    if (payload !== undefined) told.push(payload);
    return forward();
  });
  const acme = { directoryUrl: ca.directoryUrl, caFile: ca.caFile, termsOfServiceAgreed: true };
  await pemfleet('run');
  const contact = ['mailto:new@example.com'];
  configure({ acme: { ...acme, contact } });

  const changed = await pemfleet('run', '--force-renewal');
  await pemfleet('run', '--force-renewal');

  assert.deepEqual(told, [{ contact }]);
  assert.match(changed.stderr, /account\.contact .*contact=mailto:new@example\.com/);
});

test('a contact that the CA refuses stops no certificate', async (t) => {
  const { ca, configure, pemfleet } = await startOperator(t);
  const acme = { directoryUrl: ca.directoryUrl, caFile: ca.caFile, termsOfServiceAgreed: true };
  await pemfleet('account');
  configure({ acme: { ...acme, contact: ['mailto:new@example.com'] } });
  ca.fault('account', problem({ status: 400, type: 'invalidContact' }));

  const { status, stderr } = await pemfleet('run');

  assert.equal(status, 0, stderr);
  assert.match(stderr, /account\.contact-failed .*invalidContact/);
});

test('an order that meets an unknown account fails once: the next pass registers the account', async (t) => {
  const { ca, pemfleet } = await startOperator(t);
  await pemfleet('account');
  ca.fault('newOrder', problem({ status: 400, type: 'accountDoesNotExist' }), { times: 1 });

  const lost = await pemfleet('run');
  const again = await pemfleet('run');

  assert.equal(lost.status, 1);
  assert.equal(again.status, 0, again.stderr);
});

test('an account that the CA registers again and still does not know is told with the cure', async (t) => {
  const { ca, pemfleet } = await startOperator(t);
  await pemfleet('account');
  ca.fault('newOrder', problem({ status: 400, type: 'accountDoesNotExist' }));

  const lost = await pemfleet('run');
  const again = await pemfleet('run');

  assert.doesNotMatch(lost.stderr, /account --new/);
  assert.match(again.stderr, /ERR_ACME_ACCOUNT .*has registered our account again.*pemfleet account --new/);
});

test('one CA out of reach hides no other one', async (t) => {
  const operator = await startOperator(t);
  const fallback = [{ directoryUrl: 'https://127.0.0.1:9/dir', termsOfServiceAgreed: true }];
  operator.configure({ fallback });

  const { status, stdout, stderr } = await operator.pemfleet('account');
  const many = await operator.pemfleet('account', '--new');
  const none = await operator.pemfleet('account', '--ca', 'letsencrypt');

  assert.equal(status, 3, stderr);
  assert.match(stdout, /status {5}valid[\s\S]*error {6}ERR_ACME_UNREACHABLE/);
  assert.match(String(many.status), /^UsageError .*--new wants one CA: --ca URL, of https/);
  assert.match(String(none.status), /^UsageError .*--ca wants one of https/);
});

test('what fails changes nothing, and nothing says that it has: the account is shown, with the cure where there is one', async (t) => {
  const operator = await startOperator(t);
  const { ca } = operator;
  const { account: first } = await shown(operator);
  const trouble = problem({ status: 500, type: 'serverInternal' });
  for (const [resource, words] of [
    ['keyChange', ['--rollover']],
    ['account', ['--deactivate', '--yes']],
    ['account', ['--contact']],
    ['newAccount', ['--new']],
  ] as const) {
    ca.fault(resource, trouble);

    const { status, stderr, account } = await shown(operator, ...words);
    ca.clear();

    assert.deepEqual([status, account.url, account.thumbprint], [1, first.url, first.thumbprint], words[0]);
    assert.equal(account.error.code, 'ERR_ACME_PROBLEM');
    assert.doesNotMatch(stderr, /has changed|for ever/, words[0]);
  }
  await operator.pemfleet('account', '--deactivate', '--yes');
  for (const word of ['--rollover', '--contact']) {
    const over = await shown(operator, word);

    assert.deepEqual([over.status, over.account.url, over.account.status], [1, first.url, 'refused'], word);
    assert.match(over.stderr, /another account: pemfleet account --new/);
    assert.doesNotMatch(over.stderr, /has changed/);
  }
  const other = await shown(operator, '--new');
  assert.match(other.stderr, /thumbprint has changed[\s\S]*account has changed: acme\.accountUri, CAA/);
});

test('an account is shown where its CA gives no answer, and acme.accountUri that is another one is wrong everywhere', async (t) => {
  const operator = await startOperator(t);
  const { ca, configure } = operator;
  const { account: first } = await shown(operator);
  const acme = { directoryUrl: ca.directoryUrl, caFile: ca.caFile, termsOfServiceAgreed: true };
  configure({ acme: { ...acme, accountUri: `${first.url}0` } });

  const stray = await shown(operator);
  const caa = await operator.pemfleet('caa', '--json');
  configure({ acme: { ...acme, accountUri: first.url } });
  const right = await shown(operator);
  ca.fault('directory', problem({ status: 503, type: 'serverInternal' }));
  const away = await shown(operator);

  assert.equal(stray.status, 1);
  assert.match(stray.account.accountProblem, /acme\.accountUri is .*0, and our account /);
  assert.equal(caa.status, 1);
  const { strays, wanted } = JSON.parse(caa.stdout);
  assert.equal(strays.length, 1);
  assert.ok(
    wanted.every(({ value }: { value: string }) => !value.includes(`${first.url}0`)),
    caa.stdout,
  );
  assert.deepEqual([right.status, right.account.accountProblem], [0, undefined]);
  assert.deepEqual(
    [away.status, away.account.url, away.account.error.code],
    [1, first.url, 'ERR_ACME_PROBLEM'],
  );
});

test('haproxy-config is the first command of an installation with stateless challenges: the bucket is made for the account', async (t) => {
  const operator = await startOperator(t);
  const path = fileURLToPath(operator.bucket.url);
  rmSync(path, { recursive: true });
  mkdirSync(path, { mode: 0o700 });
  operator.configure({ challenge: 'http-01-stateless' });

  const { status, stdout } = await operator.pemfleet('haproxy-config');

  assert.equal(status, 0);
  assert.match(stdout, /lf-string "%\[path,field\(-1,\/\)\]\.[A-Za-z0-9_-]{43}"/);
});
