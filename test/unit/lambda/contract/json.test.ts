// JSON from outside is bounded before it is parsed, and what is wrong with it costs no more than a few lines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import { listOf, recordOf } from '#contract/collection.ts';
import { ContractError } from '#contract/errors.ts';
import { parseHostStatus } from '#contract/host-status.ts';
import { JsonRefused, parseJson } from '#contract/json.ts';
import { fleetName, hostName } from '#contract/layout.ts';
import { parseManifest } from '#contract/manifest.ts';
import { thrownBy } from '../../../support/thrown-by.ts';

const fleet = fleetName.parse('default');
const times = (text: string, count: number) => Buffer.from(text.repeat(count));

test('what is within the bounds is parsed as JSON.parse does, whatever its strings hold', () => {
  for (const value of [
    0,
    null,
    'text',
    { a: '}]",\\', 'b"': ['[[[[', { '\\"': 'ä\u{1f600}' }] },
    [[], {}, [[]], ''],
  ]) {
    for (const indent of [0, 2]) {
      assert.deepEqual(parseJson(Buffer.from(JSON.stringify(value, null, indent))), value);
    }
  }
});

const REFUSED: [says: string, body: Buffer, message: RegExp][] = [
  ['3,000,000 levels of [', times('[', 3_000_000), /at most 32 levels of nesting, saw more/],
  ['3,000,000 levels of {"a":', times('{"a":', 3_000_000), /32 levels/],
  ['24 MB of {}', Buffer.from(`[${'{},'.repeat(8_000_000)}{}]`), /at most 10000 elements of an array/],
  ['24 MB of members', Buffer.from(`{${'"":{},'.repeat(4_000_000)}"":{}}`), /at most 1500000 values/],
  ['arrays of arrays', Buffer.from(`[${`[${'0,'.repeat(5_000)}0],`.repeat(5_000)}0]`), /1500000 values/],
  ['a string of 20 MB', Buffer.from(`{"manifest":"${'x'.repeat(20_000_000)}"}`), /65536 bytes in a string/],
  ['a string without an end', Buffer.from(`"${'\\"'.repeat(5_000_000)}`), /65536 bytes in a string/],
  ['more brackets closed than opened', times(']', 1_000_000), /^is not JSON \(1000000 bytes\)$/],
  ['half a string', Buffer.from('"abc'), /^is not JSON/],
  ['a backslash at the end', Buffer.from('"abc\\'), /^is not JSON/],
  ['nothing', Buffer.alloc(0), /^is not JSON \(0 bytes\)$/],
];

for (const [says, body, message] of REFUSED) {
  test(`refused at once: ${says}`, () => {
    const before = process.hrtime.bigint();
    const heap = process.memoryUsage().heapUsed;

    const { message: said } = thrownBy(JsonRefused, () => parseJson(body));

    assert.match(said, message);
    assert.ok(process.hrtime.bigint() - before < 1_000_000_000n, 'more than a second');
    assert.ok(process.memoryUsage().heapUsed - heap < 50_000_000, 'more than 50 MB');
  });
}

test('a list and a record stop at the first faults, and name them', () => {
  const schema = z.looseObject({ list: listOf(z.looseObject({ a: z.string() }), 3) });
  const issuesOf = (value: unknown) =>
    schema.safeParse(value).error?.issues.map(({ path }) => path.join('.'));

  assert.deepEqual(schema.parse({ list: [{ a: 'x', other: 1 }] }), { list: [{ a: 'x', other: 1 }] });
  assert.deepEqual(issuesOf({ list: [{ a: 'x' }, {}, {}] }), ['list.1.a', 'list.2.a']);
  assert.deepEqual(issuesOf({ list: [{}, {}, {}, {}] }), ['list'], 'too many');
  const record = recordOf(z.string().regex(/^[a-z]$/), z.number(), 1_000_000);
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`N${index}`, index]));
  assert.equal(record.safeParse(many).error?.issues.length, 5);
  assert.deepEqual(record.parse({ a: 1 }), { a: 1 });
});

test('a manifest and a status full of faults are refused with five of them', () => {
  const host = hostName.parse('lb1');
  const entries = Array.from({ length: 100_000 }, (_, index) => `"n${index}":{}`).join();
  const files = Array.from({ length: 9_999 }, () => '{}').join();
  const manifest = `{"version":1,"fleet":"default","updatedAt":"2026-01-01T00:00:00Z","certificates":{${entries}}}`;
  const status = `{"version":1,"fleet":"default","host":"lb1","files":[${files}]}`;
  for (const parse of [
    () => parseManifest(fleet, Buffer.from(manifest)),
    () => parseHostStatus(fleet, host, Buffer.from(status)),
  ]) {
    const { message } = thrownBy(ContractError, parse);
    assert.ok(message.length < 1_000, message.slice(0, 1_000));
  }
});

test('a status of another host or fleet than its key says is refused, and both are named', () => {
  const status = (host: string, name: string) =>
    Buffer.from(
      JSON.stringify({
        version: 1,
        fleet: name,
        host,
        reportedAt: '2026-01-01T00:00:00Z',
        agent: { version: '1' },
        haproxy: [],
        files: [],
      }),
    );
  const host = hostName.parse('i-0aaa');

  assert.equal(parseHostStatus(fleet, host, status('i-0aaa', 'default')).host, 'i-0aaa');
  for (const [other, name] of [
    ['i-0bbb', 'default'],
    ['i-0aaa', 'other'],
  ] as const) {
    const { code, message } = thrownBy(ContractError, () =>
      parseHostStatus(fleet, host, status(other, name)),
    );
    assert.equal(code, 'ERR_STATUS_SCHEMA');
    assert.match(message, /wanted host i-0aaa of fleet default, saw i-0[ab]+ of (default|other)$/);
  }
});
