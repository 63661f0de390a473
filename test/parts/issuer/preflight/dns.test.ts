// `pemfleet caa` and `pemfleet dns-records` over a real CA's directory and a real DNS.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { caaLookup } from '../../../../lambda/challenge/caa-lookup.ts';
import { txtLookup } from '../../../../lambda/challenge/txt-lookup.ts';
import { readCaTerms } from '../../../../lambda/pass/caa/ca-terms.ts';
import { readCaa } from '../../../../lambda/preflight/caa-report.ts';
import { readPersistRecords } from '../../../../lambda/preflight/dns-records.ts';
import { startStage } from '../../../support/issuer/stage.ts';
import { startDns } from '../../../support/parts/dns.ts';

const dns = await startDns();
after(dns.stop);
const now = () => new Date();

const addCaa = (host: string, tag: string, value: string) =>
  dns.manage('add-caa', { host: `${host}.`, policies: [{ tag, value }] });

test('CAA is looked up tree upwards, through CNAMEs, with what the directory calls the CA', async (t) => {
  const stage = await startStage(t, { withoutResponder: true });
  const { accountUrl = '' } = await stage.openAccount();
  await addCaa('a.test', 'issue', 'other.example');
  await addCaa(
    'ok.a.test',
    'issue',
    `pebble.letsencrypt.org; accounturi=${accountUrl}; validationmethods=http-01`,
  );
  await addCaa('target.test', 'issue', ';');
  await dns.manage('set-cname', { host: 'alias.b.test.', target: 'target.test.' });
  await dns.manage('set-servfail', { host: 'broken.test.' });
  const { certificates } = stage.configOf([
    {
      identifiers: ['ok.a.test', 'deep.www.a.test', 'alias.b.test', 'free.test', 'broken.test', '192.0.2.1'],
    },
    { identifiers: ['*.ok.a.test'], challenge: 'dns-01' },
  ]);

  const cas = await readCaTerms(stage.casBy(stage.exchange));
  const { checks, wanted } = await readCaa(certificates, cas, caaLookup([dns.address]));

  const seen = Object.fromEntries(
    checks.map(({ at = '-', identifier, result }) => [identifier, [result, at]]),
  );
  assert.deepEqual(seen, {
    'ok.a.test': ['allowed', 'ok.a.test'],
    'deep.www.a.test': ['denied', 'a.test'],
    'alias.b.test': ['denied', 'alias.b.test'],
    'free.test': ['allowed', '-'],
    'broken.test': ['unknown', '-'],
    '*.ok.a.test': ['denied', 'ok.a.test'],
  });
  assert.match(checks.find(({ identifier }) => identifier === '*.ok.a.test')?.problem ?? '', /dns-01/);
  assert.deepEqual(wanted.at(-1), {
    ...{ name: 'ok.a.test', tag: 'issuewild' },
    value: `pebble.letsencrypt.org; accounturi=${accountUrl}; validationmethods=dns-01`,
  });
});

test('dns-records: unknown without an account, missing until published, and no account is registered for it', async (t) => {
  const stage = await startStage(t, { withoutResponder: true });
  const certificates = stage.configOf([
    { identifiers: ['p.test', '*.p.test'], challenge: 'dns-persist-01' },
    { identifiers: ['other.test'] },
  ]).certificates;
  const read = async () => {
    const cas = await readCaTerms(stage.casBy(stage.exchange));
    return readPersistRecords(certificates, cas, txtLookup([dns.address]), now);
  };

  const [before] = await read();
  const isRegistered = stage.exchanged.some(({ method }) => method === 'POST');
  await stage.openAccount();
  const [missing] = await read();
  await dns.manage('set-txt', { host: `${missing?.name}.`, value: missing?.value });
  const all = await read();

  assert.deepEqual([before?.state, isRegistered], ['unknown', false]);
  assert.equal(missing?.state, 'missing');
  assert.match(missing?.value ?? '', /; policy=wildcard$/);
  assert.deepEqual(
    all.map(({ name, state }) => [name, state]),
    [['_validation-persist.p.test', 'published']],
  );
});
