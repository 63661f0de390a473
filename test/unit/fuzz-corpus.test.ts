/** What test/long/fuzz asks at random, small: of each parser a valid example, and inputs that once found something. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkResource, RESOURCES } from '../support/fuzz/acme-resources.ts';
import { checkInput, PARSERS } from '../support/fuzz/parsers.ts';

for (const [name, parser] of Object.entries(PARSERS)) {
  test(`${name}: the valid example is read, what once found something is read or refused`, () => {
    assert.equal(checkInput(parser, parser.valid), 'read');
    for (const input of parser.found) checkInput(parser, input);
  });
}

for (const [name, { read, valid, found }] of Object.entries(RESOURCES)) {
  test(`ACME ${name}: the valid example is read, what once found something is read or refused`, async () => {
    const location = 'https://ca.test/order/1';

    assert.equal(await checkResource(read, valid, location), 'read');
    for (const input of found) await checkResource(read, input, location);
    for (const odd of ['', 'https://[', '\u001b[2J\n\u202e']) await checkResource(read, valid, odd);
  });
}
