import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Agent } from '../../../../agent/agent.ts';
import { KnownProofs } from '../../../../agent/proof/known.ts';
import { Prover } from '../../../../agent/resident/prover.ts';

test('a file that waits for HAProxy calls for no pass of its own; the next worker does', () => {
  const proofs = new KnownProofs();
  const config = { haproxy: { handshake: ['127.0.0.1:443'] }, watch: { proveWithinMs: 600_000 } };
  const agent = { config, proofs, now: () => new Date(0) } as unknown as Agent;
  const prover = new Prover(agent, { sleep: async () => {}, wake: () => {}, askForPoll: () => {} });
  const passWith = (state: string) => {
    proofs.distrust('shop.pem');
    prover.pause();
    prover.resume({ outcomes: [], status: { haproxy: [], files: [{ file: 'shop.pem', state }] } } as never);
    return prover.isPassWanted;
  };

  assert.equal(passWith('pending'), false);
  assert.equal(passWith('served'), true);
});
