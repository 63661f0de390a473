/** A closed Function URL: strangers cost an invocation and nothing else, and a new secret takes the place of the old one without a gap. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { secretCheck, secretsIn } from '../../../lambda/challenge/responder-secret.ts';
import { SECRET_HEADER } from '../../../lambda/challenge/secret-names.ts';
import { respondTo, respondToHaproxy } from '../../../lambda/responder.ts';
import { HOSTILE_COUNTS, hostileCost } from '../../bench/hostile-cost.ts';

const [OLD, NEW] = ['o'.repeat(40), 'n'.repeat(40)];
const token = 't'.repeat(43);

test('what a million hostile requests cost follows from the counts, and docs/http-01.md says it', async () => {
  const closed = stage([OLD]);
  await closed.ask();
  const open = stage([OLD]);
  await open.ask(OLD);
  const text = readFileSync(new URL('../../../docs/http-01.md', import.meta.url), 'utf8');

  assert.equal(closed.counts().gets, HOSTILE_COUNTS.closed.s3Get);
  assert.equal(open.counts().gets, HOSTILE_COUNTS.open.s3Get);
  for (const url of ['open', 'closed'] as const) {
    assert.ok(
      text.includes(`| ${url} | ${HOSTILE_COUNTS[url].s3Get} | $${hostileCost(url).toFixed(2)} |`),
      url,
    );
  }
});

function stage(values: (string | Error)[]) {
  let [nowMs, reads, gets] = [0, 0, 0];
  const read = async () => {
    reads += 1;
    const value = values[Math.min(reads, values.length) - 1] ?? '';
    if (value instanceof Error) throw value;
    return value;
  };
  const check = secretCheck(read, () => nowMs);
  const bucket = {
    get: async () => {
      gets += 1;
      return { body: Buffer.from('answer'), etag: '' };
    },
  };
  const ask = async (secret?: string) => {
    const http = { method: 'GET' };
    const event = {
      rawPath: `/.well-known/acme-challenge/${token}`,
      requestContext: { http },
      headers: secret === undefined ? {} : { [SECRET_HEADER]: secret },
    };
    const answer = respondToHaproxy(check, event, () => respondTo(bucket as never, event));
    return answer.then(
      ({ statusCode }) => statusCode,
      () => 'closed',
    );
  };
  const later = (ms: number) => {
    nowMs += ms;
  };
  return { ask, later, counts: () => ({ reads, gets }) };
}

test('closed: a request without the secret is refused before anything is read of the bucket', async () => {
  const { ask, counts } = stage([OLD]);

  for (const secret of [undefined, '', NEW, `${OLD}x`, OLD.slice(1)]) assert.equal(await ask(secret), 403);
  assert.equal(counts().gets, 0);
  assert.equal(await ask(OLD), 200);

  assert.deepEqual(counts(), { reads: 1, gets: 1 });
});

test('closed: while one secret replaces the other, both hold; then the old one is refused', async () => {
  const { ask, later } = stage([OLD, `${NEW}, ${OLD}`, NEW]);
  const both = async () => [await ask(OLD), await ask(NEW)];

  assert.deepEqual(await both(), [200, 403]);
  later(61_000);
  assert.deepEqual(await both(), [200, 200]);
  later(61_000);
  assert.deepEqual(await both(), [403, 200]);
});

test('closed: a parameter that cannot be read, or holds no secret, opens nothing; what held goes on holding', async () => {
  const never = stage([new Error('ssm:GetParameter on /x: ParameterNotFound')]);
  assert.deepEqual([await never.ask(OLD), await never.ask()], ['closed', 'closed']);
  assert.deepEqual(never.counts(), { reads: 1, gets: 0 });
  const empty = stage(['']);
  assert.deepEqual([await empty.ask(''), await empty.ask(OLD)], ['closed', 'closed']);
  const { ask, later } = stage([OLD, new Error('throttled')]);
  assert.equal(await ask(OLD), 200);
  later(61_000);

  assert.deepEqual([await ask(OLD), await ask(NEW)], [200, 403]);
});

test('closed: strangers make no more requests to SSM than one a minute', async () => {
  const { ask, counts } = stage([OLD]);

  await Promise.all(Array.from({ length: 200 }, () => ask('x'.repeat(40))));

  assert.deepEqual(counts(), { reads: 1, gets: 0 });
});

test('a secret is long; of two, none may be empty', () => {
  for (const value of ['', 'short', `${OLD},`, `${OLD},${NEW},${OLD}`, ',']) {
    assert.throws(() => secretsIn(value), /wants one secret of 32 characters or more/);
  }
  assert.deepEqual(secretsIn(` ${NEW} , ${OLD} `), [NEW, OLD]);
});
