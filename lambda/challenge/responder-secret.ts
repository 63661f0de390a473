/**
 * Closes the responder's public URL to all but HAProxy: a header with a secret that an SSM parameter holds. Neither a CA nor HAProxy can sign
 * requests for AWS, so the secret is what tells them from strangers. Two values may hold at once, separated by a comma, while one replaces
 * the other.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { MINUTE_MS } from '#common/time.ts';
import { credentialsOf, type Environment, regionOf } from '#storage/s3-credentials.ts';
import { getParameter } from '#storage/ssm/get-parameter.ts';

/** A new value counts after so long. However many strangers come, each execution environment asks SSM no more often. */
const FRESH_MS = MINUTE_MS;
/** A failure counts for so long. */
const FAILED_MS = 10_000;
const [MIN_LENGTH, MAX_VALUES, MAX_ANSWER_BYTES] = [32, 2, 16_384];

export type SecretCheck = (given: unknown) => Promise<boolean>;

/**
 * @param read the parameter's value
 * @param now in ms, of a clock that is never set back
 * @returns whether a header holds one of the values; it rejects where they were never readable, so that the URL stays closed
 */
export function secretCheck(
  read: () => Promise<string>,
  now: () => number = () => performance.now(),
): SecretCheck {
  let known: { digests: Buffer[]; until: number } | undefined;
  let failed: { error: unknown; until: number } | undefined;
  let reading: Promise<void> | undefined;
  const refresh = async () => {
    const until = now() + FRESH_MS;
    try {
      known = { digests: secretsIn(await read()).map(digestOf), until };
    } catch (error) {
      // What held a minute ago goes on holding.
      if (known !== undefined) known = { ...known, until };
      else failed = { error, until: now() + FAILED_MS };
    }
  };
  return async (given) => {
    const isStale = now() >= (known?.until ?? failed?.until ?? Number.NEGATIVE_INFINITY);
    if (isStale) {
      reading ??= refresh().finally(() => {
        reading = undefined;
      });
      await reading;
    }
    if (known === undefined) throw failed?.error;
    if (typeof given !== 'string') return false;
    const digest = digestOf(given);
    // Each is compared: the time says nothing about which.
    return known.digests.filter((one) => timingSafeEqual(one, digest)).length > 0;
  };
}

/** @throws Error for what is no secret: an empty value would open the URL */
export function secretsIn(value: string): string[] {
  const secrets = value.split(',').map((one) => one.trim());
  const isRight = secrets.length <= MAX_VALUES && secrets.every((one) => one.length >= MIN_LENGTH);
  if (isRight) return secrets;
  throw new Error(
    `the parameter wants one secret of ${MIN_LENGTH} characters or more, or two with a comma between them`,
  );
}

/** @throws Error with what SSM says; never with the value */
export async function readSecretParameter(parameter: string, env: Environment): Promise<string> {
  const { status, body } = await getParameter(
    {
      ...{ parameter, credentials: credentialsOf(env), region: regionOf(env) },
      ...{ withDecryption: true, maxBytes: MAX_ANSWER_BYTES },
    },
    env,
  );
  const answer = JSON.parse(body.toString('utf8')) as { Parameter?: { Value?: unknown }; __type?: unknown };
  const value = answer.Parameter?.Value;
  if (status === 200 && typeof value === 'string') return value;
  const name = /[A-Za-z]+$/.exec(String(answer.__type ?? ''))?.[0] ?? `HTTP ${status}`;
  throw new Error(`ssm:GetParameter on ${parameter}: ${name}`);
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
