/** RFC 9525 §6.3: which names a certificate answers for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coversName } from '../../../../lambda/config/identifier.ts';

for (const [held, name, expected] of [
  ['a.test', 'a.test', true],
  ['A.test', 'a.TEST', true],
  ['a.test', 'b.a.test', false],
  ['*.a.test', 'www.a.test', true],
  ['*.a.test', 'a.test', false],
  ['*.a.test', 'x.www.a.test', false],
  ['*.a.test', '*.a.test', true],
  ['*.a.test', '*.b.a.test', false],
  ['*.test', '*.a.test', false],
  ['www.a.test', '*.a.test', false],
  ['*.a.test', 'wwwa.test', false],
  ['*.a.test', '.a.test', false],
  ['192.0.2.1', '192.0.2.1', true],
  ['*.0.2.1', '192.0.2.1', false],
  ['2001:db8:0::1', '2001:DB8::1', true],
  ['a.test', '', false],
] as const) {
  test(`a certificate for ${held} ${expected ? 'answers' : 'does not answer'} for ${name || 'no name'}`, () => {
    assert.equal(coversName(held, name), expected);
  });
}
