/** More than one CA, and a CA that wants to know its customers: by the commands that an operator types. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type Pebble, startPebble } from '../support/parts/pebble.ts';
import { freePort } from '../support/ports.ts';
import { acmeOf, type Stage, startStage } from './stage.ts';

const CERTIFICATE = { identifiers: ['shop.example.com'] };
const HMAC_KEY = randomBytes(32).toString('base64url');

let stage: Stage;
let strict: Pebble;
before(async () => {
  stage = await startStage({ certificates: [CERTIFICATE] });
  const { dns, haproxy } = stage;
  const externalAccounts = { 'customer-1': HMAC_KEY };
  strict = await startPebble({ httpPort: haproxy.httpPort, dnsServer: dns.address, externalAccounts });
});
after(async () => {
  await strict.stop();
  await stage.stop();
});

/** `pemfleet run`, and where the certificate comes from after it. */
async function run(...args: string[]) {
  const { status, stdout, stderr } = await stage.issuer(['run', '--json', ...args]);
  const [outcome] = JSON.parse(stdout || '{"outcomes":[]}').outcomes;
  const seen = JSON.parse((await stage.issuer(['status', '--json'])).stdout);
  return { status, stderr, outcome, seen: JSON.stringify(seen) };
}

test('RFC 8555 §7.3.4: an account of a CA that knows its customers, by key identifier and HMAC key', async () => {
  writeFileSync(join(stage.dir, 'eab.key'), `${HMAC_KEY}\n`, { mode: 0o600 });
  const acme = acmeOf(strict);

  stage.configure([CERTIFICATE], { acme });
  const without = await run();
  const binding = { kid: 'customer-1', hmacKeyFile: 'eab.key' };
  stage.configure([CERTIFICATE], { acme: { ...acme, externalAccountBinding: binding } });
  const bound = await run('--force-renewal');

  assert.equal(without.status, 1);
  assert.match(without.outcome.error.message, /set externalAccountBinding/);
  assert.equal(bound.status, 0, bound.stderr);
  assert.doesNotMatch(bound.stderr + without.stderr, new RegExp(HMAC_KEY));
});

test('a CA out of reach: the next one after two failures, and the way back at the next renewal', async () => {
  const gone = { ...acmeOf(stage.pebble), directoryUrl: `https://127.0.0.1:${await freePort()}/dir` };
  const certificate = { identifiers: ['fallback.example.com'] };

  stage.configure([certificate], { acme: gone, fallback: [acmeOf(stage.pebble)] });
  const failed = await run();
  // It fails a second time, and the same pass goes on to the next CA.
  const helped = await run();
  const ordersBefore = strict.ordersMade();
  // The first CA is there again: another one in its place, which has an account already.
  const binding = { kid: 'customer-1', hmacKeyFile: 'eab.key' };
  const first = { ...acmeOf(strict), externalAccountBinding: binding };
  stage.configure([certificate], { acme: first, fallback: [acmeOf(stage.pebble)] });
  const kept = await run();
  const back = await run('--force-renewal');

  assert.deepEqual([failed.status, failed.outcome.error?.code], [1, 'ERR_ACME_UNREACHABLE']);
  assert.deepEqual([helped.status, helped.outcome.result], [0, 'issued'], helped.stderr);
  assert.equal(kept.outcome.result, 'kept', 'what a fallback CA gave is good until it is due');
  assert.equal(back.outcome.result, 'issued', back.stderr);
  assert.equal(strict.ordersMade(), ordersBefore + 1, 'the renewal went to the first CA');
});
