/** The audit trail: one chain however many write, and nothing is changed, taken out or moved in it that is not found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BucketError } from '#contract/errors.ts';
import { layout } from '#contract/layout.ts';
import type { AuditFact } from '../../../../lambda/audit/line.ts';
import { readTrail } from '../../../../lambda/audit/read.ts';
import { AuditTrail } from '../../../../lambda/audit/trail.ts';
import { interposed } from '../../../support/bucket/interposed.ts';
import { type MemoryBucket, memoryBucket } from '../../../support/bucket/memory-bucket.ts';
import { noon } from '../../../support/clock.ts';
import { fleet, named } from '../../../support/issuer/documents.ts';

const actor = { by: 'alice', host: 'ops1', command: 'pemfleet run' };
const renewed: AuditFact = {
  ...{ action: 'renewed', fleet, certificate: named('a.test') },
  ...{ before: ['0A'], after: ['0B'], reason: 'lifetime' },
};
const trailOf = (bucket: Parameters<typeof readTrail>[0]) => new AuditTrail(bucket, actor, () => noon);
const firstLines = layout.auditLines(1);

async function trailWith(count: number): Promise<MemoryBucket> {
  const bucket = memoryBucket();
  const trail = trailOf(bucket);
  for (let index = 0; index < count; index += 1) await trail.record([renewed]);
  return bucket;
}

/** A bucket with these objects in the place of the trail's. */
function withObjects(bucket: MemoryBucket, changes: Record<string, string | undefined>): MemoryBucket {
  const other = memoryBucket();
  for (const key of [firstLines, layout.auditLines(2), layout.auditHead]) {
    const text = key in changes ? changes[key] : bucket.text(key);
    if (text !== undefined) other.plant(key, text);
  }
  return other;
}

test('a line says who did what by which command, and why; the trail is whole', async () => {
  const bucket = await trailWith(2);

  const { lines, problems, end } = await readTrail(bucket);

  assert.deepEqual(problems, []);
  const { previous, ...last } = lines[1] ?? { previous: '' };
  assert.deepEqual(last, { sequence: 2, at: noon.toISOString(), ...actor, ...renewed });
  assert.match(previous, /^[0-9a-f]{64}$/);
  assert.equal(end?.sequence, 2);
  assert.deepEqual((await readTrail(bucket, end)).problems, []);
});

test('ten writers at once keep one chain, and no line is lost', async () => {
  const bucket = memoryBucket();
  const facts = (writer: number) => [renewed, { action: `by-${writer}` }];

  await Promise.all(Array.from({ length: 10 }, (_, writer) => trailOf(bucket).record(facts(writer))));
  const { lines, problems } = await readTrail(bucket);

  assert.deepEqual(problems, []);
  assert.equal(lines.length, 20);
  assert.equal(new Set(lines.map(({ action }) => action)).size, 11);
});

test('each flipped byte of the lines and of the head is found', async () => {
  const bucket = await trailWith(3);
  for (const key of [firstLines, layout.auditHead]) {
    const text = bucket.text(key) ?? '';
    for (let at = 0; at < text.length; at += 1) {
      const flipped = `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) ^ 1)}${text.slice(at + 1)}`;

      const { problems } = await readTrail(withObjects(bucket, { [key]: flipped }));

      assert.notDeepEqual(problems, [], `${key}, byte ${at}: ${text.slice(Math.max(0, at - 10), at + 10)}`);
    }
  }
});

const TAMPERED: Readonly<Record<string, [RegExp, (lines: string[]) => string[]]>> = {
  'a line that was taken out': [/line 2: lines 2 to 2 are missing/, ([a = '', , c = '']) => [a, c]],
  'lines in another order': [
    /lines 3 to 2|are missing|another order/,
    ([a = '', b = '', c = '']) => [a, c, b],
  ],
  'the last line, taken off': [/lines 3 to 3 are missing at the end/, ([a = '', b = '']) => [a, b]],
  'a line that was put in twice': [/wanted number 3, saw 2/, ([a = '', b = '', c = '']) => [a, b, b, c]],
  'an empty line': [/is no line of the trail/, ([a = '', b = '', c = '']) => [a, '', b, c]],
};
for (const [title, [problem, tamper]] of Object.entries(TAMPERED)) {
  test(`${title} is found, also after others have written on`, async () => {
    const bucket = await trailWith(3);
    const lines = (bucket.text(firstLines) ?? '').trimEnd().split('\n');
    const tampered = withObjects(bucket, { [firstLines]: `${tamper(lines).join('\n')}\n` });

    assert.match((await readTrail(tampered)).problems.join('\n'), problem);
    await trailOf(tampered).record([renewed]);
    assert.notDeepEqual((await readTrail(tampered)).problems, []);
  });
}

test('a last line that was changed is found after others have written on', async () => {
  const bucket = await trailWith(3);
  const changed = (bucket.text(firstLines) ?? '').replace(/"after":\["0B"\](?=[^\n]*\n$)/, '"after":["0C"]');
  const tampered = withObjects(bucket, { [firstLines]: changed });

  await trailOf(tampered).record([renewed]);

  assert.match((await readTrail(tampered)).problems.join('\n'), /number 4: the line before it was changed/);
});

test('a full object is followed by the next one; one that is taken away is missed', async () => {
  const bucket = memoryBucket();
  const trail = trailOf(bucket);
  const long: AuditFact = { action: 'renewed', reason: 'x'.repeat(500) };
  for (let count = 0; count < 3; count += 1) await trail.record(Array.from({ length: 500 }, () => long));
  const keys = await bucket.list(layout.auditTrail);
  assert.deepEqual(keys, [firstLines, layout.auditLines(2), layout.auditHead]);
  assert.deepEqual((await readTrail(bucket)).problems, []);

  const [first, second] = [
    await readTrail(withObjects(bucket, { [firstLines]: undefined })),
    await readTrail(withObjects(bucket, { [layout.auditLines(2)]: undefined })),
  ];

  assert.match(first.problems.join('\n'), /wanted the object .*00000001\.jsonl, saw .*00000002\.jsonl/);
  assert.match(second.problems.join('\n'), /lines \d+ to 1500 are missing at the end/);
});

test('a trail that was put back to an earlier day differs from the end that was noted elsewhere', async () => {
  const { end } = await readTrail(await trailWith(3));

  const { problems } = await readTrail(await trailWith(2), end);

  assert.match(problems.join('\n'), /wanted line 3 as [0-9a-f]{64}, saw no such line: it is another trail/);
});

test('what the store did not take waits for the next line, and is said at the end', async () => {
  const bucket = memoryBucket();
  let isDown = true;
  const failing = interposed(bucket, {
    put: (...args) =>
      isDown
        ? Promise.reject(new BucketError('ERR_BUCKET_DENIED', args[0], 'is not accessible'))
        : bucket.put(...args),
  });
  const trail = trailOf(failing);
  await trail.record([{ action: 'first' }]);
  await assert.rejects(trail.flush(), { code: 'ERR_BUCKET_DENIED' });

  isDown = false;
  await trail.record([{ action: 'second' }]);

  const { lines, problems } = await readTrail(bucket);
  assert.deepEqual([lines.map(({ action }) => action), problems], [['first', 'second'], []]);
});

test('an object that nobody can read takes no line any more: the next one does, and the gap is told', async () => {
  const bucket = await trailWith(2);
  const broken = interposed(bucket, {
    get: async (key: string) => {
      if (key === firstLines) throw new BucketError('ERR_BUCKET_SIZE', key, 'too large');
      return bucket.get(key);
    },
  });

  await trailOf(broken).record([renewed]);

  const { lines, problems } = await readTrail(broken);
  assert.deepEqual(
    lines.map(({ sequence }) => sequence),
    [3],
  );
  assert.match(problems.join('\n'), /cannot be read/);
  assert.notEqual(bucket.text(layout.auditLines(2)), undefined);
});

test('a head that was taken away stays told, until somebody notes a later end', async () => {
  const bucket = await trailWith(3);
  const cut = `${bucket.text(firstLines)?.split('\n').slice(0, 2).join('\n')}\n`;
  const shortened = withObjects(bucket, { [firstLines]: cut, [layout.auditHead]: undefined });
  await trailOf(shortened).record([renewed]);

  const { problems, end } = await readTrail(shortened);

  assert.match(problems.join('\n'), /line 3: the head was missing before it: lines may have been taken off/);
  assert.deepEqual((await readTrail(shortened, end)).problems, []);
});
