/** What the issuing engine adds, by the commands that an operator types, against Pebble and HAProxy. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { handshake } from '../support/handshake.ts';
import { type Stage, startStage } from './stage.ts';

const PAIR = { identifiers: ['pair.example.com', 'www.pair.example.com'], keyTypes: ['ec256', 'rsa2048'] };
const PLAIN = { identifiers: ['plain.example.com'], reuseKey: true };

let stage: Stage;
before(async () => {
  stage = await startStage({ certificates: [PAIR, PLAIN] });
});
after(() => stage.stop());

interface Issued {
  outcomes: {
    certificate: string;
    result: string;
    serial: string;
    reason: string;
    error?: { code: string; message: string };
  }[];
}

async function run(...args: string[]): Promise<{ status: number | null; stderr: string } & Issued> {
  const { status, stdout, stderr } = await stage.issuer(['run', '--json', ...args]);
  return { status, stderr, ...(JSON.parse(stdout || '{"outcomes":[]}') as Issued) };
}

test('an RSA and ECDSA pair is ordered, published and served as one', async () => {
  const { status, stderr } = await run();
  const sync = await stage.agent(['sync']);

  assert.equal(status, 0, stderr);
  assert.equal(sync.status, 0, sync.stderr);
  const port = stage.haproxy.httpsPort;
  const certificates = (await stage.haproxy.command('show ssl cert'))
    .split('\n')
    .filter((line) => line.includes('pair.example.com'));
  assert.equal(certificates.length, 2);
  const serials = [];
  // A client of old that knows RSA only, and one of today.
  for (const ciphers of ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256']) {
    const options = { port, servername: 'www.pair.example.com', maxVersion: 'TLSv1.2' as const, ciphers };
    const seen = await handshake(options);
    // In which order the names stand is the CA's affair.
    assert.deepEqual([...seen.names].sort(), [...PAIR.identifiers].sort());
    serials.push(seen.serial);
  }
  assert.equal(new Set(serials).size, 2);
});

test('a plan asks no CA and changes nothing; a second pass keeps all', async () => {
  const plan = await stage.issuer(['plan', '--json']);
  const again = await run();

  assert.equal(plan.status, 0);
  assert.ok(
    again.outcomes.every(({ result, reason }) => result === 'kept' && reason === 'fresh'),
    again.stderr,
  );
});

test('a window of the CA in the past renews at once', async () => {
  const before = stage.pebble.log().match(/Added order /g)?.length;
  const pem = await stage.leafOf('plain.example.com');
  await stage.pebble.setRenewalInfo(pem, {
    suggestedWindow: { start: '2020-01-01T00:00:00Z', end: '2020-01-02T00:00:00Z' },
    explanationURL: 'https://ca.example/incident',
  });
  await stage.forgetWindows();

  const { status, stderr, outcomes } = await run();

  assert.equal(status, 0, stderr);
  assert.deepEqual(outcomes.map(({ result, reason }) => `${result} ${reason}`).sort(), [
    'issued renewal-window-past',
    'kept fresh',
  ]);
  assert.match(stderr, /renewal-info\.changed.*explanationUrl=https:\/\/ca\.example\/incident/);
  assert.match(stderr, /order\.created.*replaces=/);
  assert.equal(stage.pebble.log().match(/Added order /g)?.length, (before ?? 0) + 1);
});

test('revoke --now replaces with a fresh key first, then revokes the old certificate', async () => {
  const old = await stage.leafOf('plain.example.com');
  const { serialNumber, publicKey } = new (await import('node:crypto')).X509Certificate(old);

  const { status, stderr } = await stage.issuer([
    ...['revoke', 'plain.example.com', '--now', '--reason', 'keyCompromise'],
  ]);

  assert.equal(status, 0, stderr);
  const { Status } = await stage.pebble.certStatusBySerial(serialNumber);
  const renewed = new (await import('node:crypto')).X509Certificate(await stage.leafOf('plain.example.com'));
  assert.equal(Status, 'Revoked');
  assert.notEqual(renewed.serialNumber, serialNumber);
  assert.notDeepEqual(renewed.publicKey.export({ format: 'jwk' }), publicKey.export({ format: 'jwk' }));
  const { tombstones, certificates } = JSON.parse(
    readFileSync(join(stage.bucketDir, 'published/default/root.json'), 'utf8'),
  );
  const ended = tombstones['plain.example.com'].pems as { sha256: string }[];
  assert.equal(ended.length, 1);
  const pems = readdirSync(join(stage.bucketDir, 'published/default/pem/plain.example.com'));
  assert.ok(pems.includes(`${certificates['plain.example.com'].pems[0].sha256}.pem`));
  assert.ok(!pems.includes(`${ended[0]?.sha256}.pem`), 'the stolen key has left the bucket');
  assert.equal(tombstones['plain.example.com'].reason, 'revoked');
  assert.equal(certificates['plain.example.com'].pems[0].serial, renewed.serialNumber);
});

test('key rollover: the account stays, the thumbprint changes, orders go on', async () => {
  const before = JSON.parse((await stage.issuer(['account', '--json'])).stdout).accounts[0];
  const rolled = await stage.issuer(['account', '--rollover', '--json']);
  const after = JSON.parse(rolled.stdout).accounts[0];

  const { status, stderr } = await run('--force-renewal', '--only', 'plain.example.com');

  assert.equal(after.url, before.url);
  assert.notEqual(after.thumbprint, before.thumbprint);
  assert.equal(status, 0, stderr);
});

test('an unknown profile is refused before it costs an order, with the list of what is offered', async () => {
  stage.configure([PAIR, { ...PLAIN, profile: 'no-such-profile' }]);

  const { status, outcomes } = await run();

  const failed = outcomes.find(({ result }) => result === 'failed');
  assert.equal(status, 3);
  assert.equal(failed?.error?.code, 'ERR_ACME_NOT_OFFERED');
  assert.match(failed?.error?.message ?? '', /no-such-profile; the CA offers default/);
  stage.configure([PAIR, PLAIN]);
});
