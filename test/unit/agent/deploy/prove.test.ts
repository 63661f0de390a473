import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noteProofs } from '../../../../agent/deploy/prove.ts';
import { KnownProofs } from '../../../../agent/proof/known.ts';

for (const [says, handshake, kind, isDistrusted] of [
  ['where no handshake is made, a name that another program has too calls for no pass', [], 'keep', false],
  ['what had no turn in a pass is still to be proved', ['127.0.0.1:443'], 'keep', true],
  ['what was proved is not', ['127.0.0.1:443'], 'prove', false],
] as const) {
  test(says, () => {
    const proofs = new KnownProofs();
    proofs.contest('shop.pem', ['shop.test']);
    const action = { kind, file: 'shop.pem', desired: { file: 'shop.pem', sha256: 'a'.repeat(64) } };
    const outcome = { kind: 'done', action, deployed: {} };

    noteProofs([outcome] as never, { proofs, config: { haproxy: { handshake } } } as never);

    assert.equal(proofs.isDistrusted('shop.pem'), isDistrusted);
  });
}
