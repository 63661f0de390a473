/** Long text from outside is cut, links in it are not (field.md E17). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { longestShortened, shortened } from '#common/shorten.ts';
import { AcmeProblem } from '../../../../lambda/acme/problem.ts';

const names = Array.from({ length: 15 }, (_, index) => `n${index}.${'sub.'.repeat(14)}example.com`);
const link = `https://portal.letsencrypt.org/sfe/v1/unpause?jwt=${'a'.repeat(900)}.b-_c`;
const detail = `Your account is temporarily prevented from requesting certificates for ${names.join(', ')} and possibly others. Please visit: ${link}`;

test("the link that unpauses an account is whole in the error's message, fifteen long names before it or not", () => {
  const { message } = new AcmeProblem({ type: 'urn:ietf:params:acme:error:rateLimited', detail }, 429);

  assert.ok(detail.length > 1900 && message.length <= 2_000, `${message.length} characters`);
  assert.ok(message.endsWith(link));
});

test('what is short stays as it is; what is long and has no link is cut', () => {
  assert.equal(shortened('short', 10), 'short');
  assert.equal(shortened('x'.repeat(20), 10), 'x'.repeat(10));
});

test('a link across the cut is whole; one before it stays where it is, and is not said twice', () => {
  assert.equal(shortened('see https://a.test/1234567890 now', 12), 'see … https://a.test/1234567890');
  assert.equal(shortened(`see https://a.test/1 ${'x'.repeat(50)}`, 30), 'see https://a.test/1 xxxxxxxxx');
});

test('however many and long the links of a hostile CA are, the text is bounded', () => {
  const many = Array.from({ length: 500 }, (_, index) => `https://a.test/${index}${'y'.repeat(1200)}`);
  const one = `https://a.test/${'y'.repeat(100_000)}`;

  assert.ok(shortened(many.join(' '), 500).length <= longestShortened(500));
  assert.equal(shortened(`see ${one}`, 500).length, 500);
});
