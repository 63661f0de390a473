/** What version 2 looks like, byte for byte, beside what it left to version 1. A golden changes only with the version, or with a proof of compatibility. */
import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseHostStatus } from '#contract/host-status.ts';
import { followKeys, parseKeys, serializeKeys } from '#contract/key-chain.ts';
import { fleetName, hostName } from '#contract/layout.ts';
import { parseManifest, serializeManifest } from '#contract/manifest.ts';
import { readReceipt } from '#contract/receipt.ts';
import { readHead, serializeRoot } from '#contract/root.ts';
import { signerOf } from '#contract/statement.ts';
import { parseRoot } from '../../../support/parse-root.ts';

const golden = (name: string) => readFileSync(`test/unit/lambda/contract/golden/${name}.json`, 'utf8');
const fleet = fleetName.parse('edge');
const lineage = '5f0c6e1b-7d2a-4a39-9c1e-0b7f3c2d1e4f';
/** RFC 8037, appendix A. */
const key = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' };
const secret = { ...key, d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A' };
const signer = signerOf(
  createPrivateKey({ key: secret, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' }).toString(),
);

test('root: what version 2 published is read, and signed again to the same bytes', () => {
  const { manifest, head, key: signedBy } = parseRoot(fleet, Buffer.from(golden('root-v2')));

  assert.deepEqual(serializeRoot(manifest, signer), { text: golden('root-v2'), head });
  assert.deepEqual([signedBy, manifest.lineage, manifest.version], [key.x, lineage, 2]);
});

test('root: each PEM has a receipt of the same key, which says the same', () => {
  const { certificates } = parseRoot(fleet, Buffer.from(golden('root-v2'))).manifest;

  for (const [name, { pems, sequence }] of Object.entries(certificates)) {
    for (const { sha256, notAfter, receipt = '' } of pems) {
      const claims = { fleet, name, sha256, notAfter, sequence };
      assert.deepEqual(readReceipt(receipt), { claims, key: key.x });
    }
  }
});

test('keys: what version 2 published is read and written again; it leads from the first key over the recovery key to the last', () => {
  const statements = parseKeys(fleet, Buffer.from(golden('keys-v1')));
  const trusted = { key: signer.key, number: 0, recoveredAt: 0 };

  const { key: last, recoveryKey, lineage: followed } = followKeys(statements, trusted);

  assert.equal(serializeKeys(statements), golden('keys-v1'));
  assert.equal(followed, lineage);
  assert.deepEqual([last, recoveryKey].map(String), [
    'ypOsFwUYcHHWe4PH_w7-gQjo7EUwV113JoeTM9vavnw',
    '7UkoxijRwsbq6QM4kFmVYSlZJzpcY_k2NsFGFKyHN9E',
  ]);
});

test("status: the head in it is the root's, and its receipt is of the same key", () => {
  const host = hostName.parse('lb1.example.com');
  const { head = '', files } = parseHostStatus(fleet, host, Buffer.from(golden('host-status-contract-2-v1')));

  assert.equal(head, parseRoot(fleet, Buffer.from(golden('root-v2'))).head);
  assert.equal(readHead(head, 'status').key, key.x);
  const receipts = files.flatMap(({ receipt }) => receipt ?? []);
  assert.deepEqual(
    receipts.map((text) => readReceipt(text).key),
    [key.x],
  );
});

test('manifest of version 1, written along: the mark survives a writer that does not know it', () => {
  const text = golden('manifest-alongside-v1');

  assert.equal(serializeManifest(parseManifest(fleet, Buffer.from(text))), text);
});
