// `pemfleet plan --check` against a real CA, a real DNS and the responder's front: what is fine, and what each fault is called.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listen } from '#common/net/listen.ts';
import { HOUR_MS } from '#common/time.ts';
import { layout } from '#contract/layout.ts';
import { runPreflight } from '../../../../lambda/preflight/preflight.ts';
import { openSolvers } from '../../../../lambda/wiring.ts';
import { type Stage, startStage } from '../../../support/issuer/stage.ts';
import { startDns } from '../../../support/parts/dns.ts';
import { freePort } from '../../../support/ports.ts';

const dns = await startDns();
after(dns.stop);

async function checksOf(stage: Stage, httpPort: number, changes: object = {}) {
  const certificates = [{ identifiers: ['a.test', '127.0.0.1'] }];
  const given = stage.configOf(certificates);
  const config = { ...given, dns: { hostedZones: [], resolvers: [dns.address] } };
  const timing = { now: () => new Date(), deadline: new Date(Date.now() + HOUR_MS), sleep };
  const findings = await runPreflight({
    ...{ config, certificates: config.certificates, timing, httpPort, allowPrivate: true },
    bucket: stage.bucket,
    cas: stage.casBy(stage.exchange),
    solvers: openSolvers(config, stage.bucket, timing),
    ...changes,
  });
  return findings.map(({ check, result, saw, subject }) => ({ check, subject, result, saw }));
}

const resultsOf = (findings: Awaited<ReturnType<typeof checksOf>>) =>
  findings.map(({ check, result }) => `${check} ${result}`);

/** What answers at port 80 in the responder's place. */
async function startFront(t: TestContext, status: number, text: string, headers = {}): Promise<number> {
  const server = createServer((_, response) => response.writeHead(status, headers).end(text));
  const port = await freePort();
  const front = await listen(server, { host: '127.0.0.1', port });
  t.after(front.stop);
  return port;
}

test('all is fine: nothing is ordered, no account registered, and our token is gone', async (t) => {
  const stage = await startStage(t);
  await stage.openAccount();
  const before = stage.exchanged.length;

  const findings = await checksOf(stage, stage.httpPort);

  assert.deepEqual(
    resultsOf(findings).filter((text) => !text.endsWith(' ok')),
    [],
    JSON.stringify(findings),
  );
  assert.deepEqual([...new Set(findings.map(({ check }) => check))].sort(), [
    ...['account', 'caa', 'clock', 'responder'],
  ]);
  assert.deepEqual(await stage.bucket.list(layout.challenge('')), []);
  const asked = stage.exchanged.slice(before).filter(({ method }) => method === 'POST');
  assert.ok(asked.every(({ url }) => url.includes('/my-account/')));
});

for (const [says, status, text, headers, expected] of [
  ['the application', 200, 'hello', {}, { result: 'failed', saw: /^another text: hello/ }],
  ['an error page', 404, 'not here', {}, { result: 'failed', saw: /^HTTP 404: not here/ }],
  [
    'a redirect',
    301,
    '',
    { location: 'https://a.test/' },
    { result: 'unknown', saw: /redirect \(301\) to https:/ },
  ],
] as const) {
  test(`at port 80 answers ${says}`, async (t) => {
    const stage = await startStage(t, { withoutResponder: true });
    const port = await startFront(t, status, text, headers);

    const findings = await checksOf(stage, port);

    const [seen] = findings.filter(({ check }) => check === 'responder');
    assert.equal(seen?.result, expected.result);
    assert.match(seen?.saw ?? '', expected.saw);
    assert.deepEqual(await stage.bucket.list(layout.challenge('')), []);
  });
}

test('nobody at port 80; an account that is deactivated; CAA of another CA; a clock two hours ahead', async (t) => {
  const stage = await startStage(t, { withoutResponder: true });
  const client = await stage.openAccount();
  await client.post(client.accountUrl ?? '', { status: 'deactivated' });
  const host = 'a.test.';
  await dns.manage('add-caa', { host, policies: [{ tag: 'issue', value: 'other.example' }] });
  t.after(() => dns.manage('clear-caa', { host }));
  const timing = {
    now: () => new Date(Date.now() + 2 * HOUR_MS),
    deadline: new Date(Date.now() + 3 * HOUR_MS),
    sleep,
  };

  const findings = await checksOf(stage, await freePort(), { timing });

  assert.deepEqual(resultsOf(findings), [
    ...['clock failed', 'account failed', 'caa failed', 'responder failed', 'responder failed'],
  ]);
  assert.match(findings[0]?.saw ?? '', /2 h ahead/);
  assert.match(findings[3]?.saw ?? '', /ECONNREFUSED/);
});

test('an address that is not public is not asked without a word; a name without addresses fails', async (t) => {
  const stage = await startStage(t);
  await dns.manage('set-default-ipv4', { ip: '' });
  t.after(() => dns.manage('set-default-ipv4', { ip: '127.0.0.1' }));

  const findings = await checksOf(stage, stage.httpPort, { allowPrivate: false });

  const [name, address] = findings.filter(({ check }) => ['addresses', 'responder'].includes(check));
  assert.deepEqual([name?.check, name?.result], ['addresses', 'failed']);
  assert.deepEqual([address?.result, address?.saw], ['unknown', 'an address that is not public']);
});
