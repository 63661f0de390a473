/** One table says which command goes through the function, and by which alias; and what function and caller say to each other. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { parseArguments, TAKEN_BY } from '../../../../../lambda/commands/line/options.ts';
import { REMOTE_COMMANDS } from '../../../../../lambda/commands/remote/commands.ts';
import { answerOf, readAnswer, readCommandRequest } from '../../../../../lambda/commands/remote/protocol.ts';
import { REACH, reachOf } from '../../../../../lambda/commands/remote/reach.ts';

test('each command of the command line has its row, and the function runs exactly those that go through', () => {
  const commands = Object.keys(TAKEN_BY).filter((name) => name !== 'key');

  assert.deepEqual(Object.keys(REACH).sort(), commands.sort());
  const through = Object.entries(REACH).flatMap(([name, reach]) => (typeof reach === 'string' ? [name] : []));
  assert.deepEqual(Object.keys(REMOTE_COMMANDS).sort(), through.sort());
});

test('keys of accounts, of the issuer and of certificates never go through', () => {
  const secret = Object.keys(REACH).filter((name) => /^(key|account|export|import)/.test(name));

  assert.ok(secret.length >= 6);
  for (const name of secret) assert.equal(typeof REACH[name as keyof typeof REACH], 'object', name);
});

test('a dry run and a question only read; what writes a token changes', () => {
  const of = (...args: string[]) => {
    const { values, positionals } = parseArguments(args);
    return reachOf(positionals, values);
  };

  assert.deepEqual(
    [
      of('run'),
      of('run', '--dry-run'),
      of('plan'),
      of('plan', '--check'),
      of('replace'),
      of('replace', '--all'),
      of('hold'),
      of('hold', 'a.test'),
    ],
    ['change', 'read', 'read', 'change', 'read', 'change', 'read', 'change'],
  );
});

test('an answer comes back as it was printed; one that Lambda would not take says what to ask instead', () => {
  const printed = [
    ['stdout', 'a\n'],
    ['stderr', 'ü\u0000\n'],
  ] as const;
  const whole = readAnswer(JSON.stringify(answerOf('1.0.0', 3, printed)));
  const large = answerOf('1.0.0', 0, [
    ['stderr', 'done\n'],
    ['stdout', randomBytes(6 * 1024 * 1024).toString('base64')],
  ]);
  const cut = readAnswer(JSON.stringify(large));

  assert.deepEqual(whole, { program: '1.0.0', status: 3, printed });
  assert.ok(JSON.stringify(large).length < 10_000);
  assert.deepEqual([cut?.status, cut?.printed[0]], [1, ['stderr', 'done\n']]);
  assert.match(cut?.printed[1]?.[1] ?? '', /^the answer has \d+ bytes, and Lambda takes \d+: ask for less/);
  for (const body of [
    '',
    'null',
    '{"outcomes":[]}',
    '{"pemfleetAnswer":{"program":"1","status":0,"output":"@"}}',
  ]) {
    assert.equal(readAnswer(body), undefined);
  }
});

test('what a caller sends is bounded', () => {
  const request = (args: unknown, width: unknown = 120) => ({
    pemfleetCommand: { args, claim: { user: 'a', host: 'b' }, width },
  });

  assert.deepEqual(readCommandRequest(request(['status']))?.args, ['status']);
  const bad = [
    {},
    request('status'),
    request([1]),
    request(Array(501).fill('x')),
    request(['x'.repeat(10_001)]),
    request([], 1e9),
  ];
  for (const one of bad) assert.equal(readCommandRequest(one), undefined, JSON.stringify(one).slice(0, 80));
});
