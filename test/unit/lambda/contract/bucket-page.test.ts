/** docs/bucket.md is the specification: its example is verified here, and another agent's author can do the same. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fleetName } from '#contract/layout.ts';
import { readReceipt } from '#contract/receipt.ts';
import { parseRoot } from '../../../support/parse-root.ts';

const page = readFileSync(new URL('../../../../docs/bucket.md', import.meta.url), 'utf8');
const blocks = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text = '']) => text);

/** RFC 8037, appendix A.2. */
const KEY_OF_RFC_8037 = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo';

test('the root on the page verifies with the key of RFC 8037, and so does its receipt', () => {
  const example = blocks.find((text) => text.includes('"signature"')) ?? '';

  const { manifest, key } = parseRoot(fleetName.parse('edge'), Buffer.from(example));
  const [[name, entry] = []] = Object.entries(manifest.certificates);
  const [pem] = entry?.pems ?? [];
  const receipt = readReceipt(pem?.receipt ?? '');

  assert.equal(key, KEY_OF_RFC_8037);
  assert.equal(receipt.key, KEY_OF_RFC_8037);
  assert.deepEqual(receipt.claims, {
    fleet: 'edge',
    name,
    sha256: pem?.sha256,
    notAfter: pem?.notAfter,
    sequence: entry?.sequence,
  });
});
