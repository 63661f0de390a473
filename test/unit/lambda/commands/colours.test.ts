// Issue 19.5: colours only where a terminal is, and none that came from outside.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { colouredStatus, hasColours } from '../../../../lambda/commands/view/colours.ts';

const TEXT = `fleet edge: 2 certificates, 1 host: 1 wrong
wrong: z.test: \u001b[2Jnot served
CERTIFICATE  STATE   SERVED BY
z.test       behind  0 of 1
a.test       served  1 of 1
note: lb4: left
fleet other: 1 certificate, 1 host: all is well
`;

test('each kind of line has its colour, and what hosts say brings none', () => {
  const shown = colouredStatus(TEXT).replaceAll('\u001b[', '^');

  assert.equal(
    shown,
    `^1mfleet edge: 2 certificates, 1 host: 1 wrong^0m
^31mwrong:^0m z.test:  [2Jnot served
^2mCERTIFICATE  STATE   SERVED BY^0m
z.test       ^31mbehind^0m  0 of 1
a.test       ^32mserved^0m  1 of 1
^2mnote: lb4: left^0m
^32mfleet other: 1 certificate, 1 host: all is well^0m
`,
  );
});

for (const [isTTY, env, wanted] of [
  [true, {}, true],
  [true, { NO_COLOR: '1' }, false],
  [true, { NO_COLOR: '' }, true],
  [true, { TERM: 'dumb' }, false],
  [false, {}, false],
] as const) {
  test(`colours with ${JSON.stringify(env)}, ${isTTY ? 'on a terminal' : 'in a pipe'}: ${wanted}`, () => {
    assert.equal(hasColours({ isTTY }, env), wanted);
  });
}
