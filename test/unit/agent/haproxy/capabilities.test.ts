import assert from 'node:assert/strict';
import { test } from 'node:test';
import { capabilitiesOf, commandBytes, fillUp } from '../../../../agent/haproxy/capabilities.ts';

const rows: [version: string, bufsize: number, canAdd: boolean, maxCommandBytes: number][] = [
  ['2.1.9', 16_384, false, 16_383],
  ['2.2.33', 16_384, true, 16_383],
  ['2.4.22-0ubuntu0.22.04.3', 16_384, true, 16_383],
  ['2.6.12-1+deb12u4', 16_384, true, 16_383],
  ['2.8.5-1ubuntu3.2', 32_768, true, 32_767],
  ['2.10-dev0', 16_384, true, 16_383],
  ['3.0.11-1+deb13u3', 16_384, true, 16_383],
  ['3.2.26-1', 65_536, true, 65_535],
  ['3.3.1', 16_384, true, 16_383],
  ['3.4-dev10', 16_384, true, 122_880],
  ['3.4.0', 262_144, true, 262_143],
  ['4.0.0', 16_384, true, 122_880],
];

for (const [version, bufsize, canAddCertificates, maxCommandBytes] of rows) {
  test(`HAProxy ${version} with tune.bufsize ${bufsize}: ${maxCommandBytes} bytes in a command`, () => {
    const pace = Number(version.split('.')[0]) < 3 ? 50 : 0;

    assert.deepEqual(capabilitiesOf(version, bufsize), { canAddCertificates, maxCommandBytes, pace });
  });
}

test('the bytes of a command: prefix, verb, file name, payload and line ends', () => {
  const sent = `set severity-output number;set ssl cert /c/é.pem <<\n${'x'.repeat(100)}\n`;

  assert.equal(commandBytes(100, '/c/é.pem'), Buffer.byteLength(sent));
});

test('a command that is longer than a buffer ends in the middle of the next one, where it may', () => {
  const pemOf = (bytes: number) => 'x'.repeat(bytes - commandBytes(0, '/c/a.pem'));
  const filled = (bytes: number, maxBytes = 122_880) =>
    commandBytes(fillUp(pemOf(bytes), '/c/a.pem', maxBytes).length, '/c/a.pem');

  assert.equal(filled(16_383), 16_383);
  for (const bytes of [16_384, 24_000, 24_577, 32_768, 65_536, 122_880]) {
    const end = filled(bytes) % 16_384;
    assert.ok(end > 8000 && end <= 8192, `${bytes}: ${filled(bytes)}`);
    assert.ok(filled(bytes) >= bytes && filled(bytes) <= 122_880);
  }
  assert.equal(filled(24_577, 32_767), 24_577, 'no room to fill up');
});
