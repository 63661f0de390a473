// A bind that stops answering between two passes, and one that answers again: the clock is the test's, the bind a TLS server.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createServer } from 'node:tls';
import type { Agent } from '../../../../agent/agent.ts';
import { KnownProofs } from '../../../../agent/proof/known.ts';
import { proofStatusOf } from '../../../../agent/proof/status.ts';
import { Prover } from '../../../../agent/resident/prover.ts';
import { desired, now } from '../../../support/agent/plan-fixtures.ts';
import { createPki } from '../../../support/parts/pki.ts';

const pki = await createPki();
const { combined, leafPem, keyPem } = await pki.issue({ names: ['shop.test'] });

const listen = async (port: number) => {
  const cert = leafPem + pki.intermediatePem;
  const server = createServer({ cert, key: keyPem }, (socket) => socket.resume()).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
};

test('a bind that stops answering calls for a pass within the span, one that answers again within a minute', async (t) => {
  const certsDir = await mkdtemp(join(tmpdir(), 'dead-bind-'));
  t.after(() => rm(certsDir, { recursive: true }));
  await writeFile(join(certsDir, 'shop.pem'), combined);
  let server = await listen(0);
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const address = `127.0.0.1:${port}`;
  const config = {
    haproxy: { certsDir, handshake: [address] },
    stateDir: certsDir,
    watch: { proveWithinMs: 3_600_000 },
  };
  let clock = now.getTime();
  const proofs = new KnownProofs();
  const agent = { config, proofs, now: () => new Date(clock) } as unknown as Agent;
  /** @returns after how much time it asks for a poll */
  const untilAsked = async (event?: () => Promise<unknown>) => {
    const [from, stop] = [clock, new AbortController()];
    const prover = new Prover(agent, {
      // Nothing is asked for where nothing has changed: the test ends all the same.
      sleep: async (ms) => {
        clock += ms;
        if (clock - from > 7_200_000) stop.abort();
      },
      wake: () => {},
      askForPoll: () => stop.abort(),
    });
    prover.pause();
    const outcomes = [{ kind: 'done', action: { kind: 'keep', file: 'shop.pem', desired }, deployed: {} }];
    const files = [{ file: 'shop.pem', state: 'served' }];
    prover.resume({ outcomes, status: { haproxy: [], files } } as never);
    assert.equal(prover.isPassWanted, false);
    await event?.();
    await prover.run(stop.signal);
    return { minutes: (clock - from) / 60_000, isPassWanted: prover.isPassWanted };
  };
  const status = () =>
    proofStatusOf(
      { file: 'shop.pem', sha256: desired.sha256 },
      { known: proofs, settings: config, before: undefined, now: new Date(clock) },
    );

  const healthy = await untilAsked();
  const dead = await untilAsked(async () => server.close());
  const statusDead = status();
  const alive = await untilAsked(async () => {
    server = await listen(port);
  });

  assert.equal(healthy.isPassWanted, false);
  assert.equal(dead.isPassWanted, true);
  assert.ok(dead.minutes <= 60, `${dead.minutes}`);
  assert.equal(statusDead.unproven?.reason, 'unreachable');
  assert.equal(alive.isPassWanted, true);
  assert.ok(alive.minutes <= 1, `${alive.minutes}`);
  assert.equal(status().unproven, undefined);
});
