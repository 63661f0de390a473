// If-Match and If-None-Match (RFC 9110 §13), in S3's reading of them.
import { AwsFailure } from '../wire.ts';
import type { ObjectVersion } from './store.ts';

/** A header that a lying look-alike of S3 does not honour on writes. */
export type Condition = 'if-match' | 'if-none-match';

type Headers = Record<string, string>;

/** @returns whether the answer is 304 */
export function isNotModified(headers: Headers, current: ObjectVersion): boolean {
  const wanted = headers['if-match'];
  if (wanted !== undefined && !holds(wanted, current.etag)) throw preconditionFailed('If-Match');
  const unwanted = headers['if-none-match'];
  return unwanted !== undefined && holds(unwanted, current.etag);
}

export function checkWrite(headers: Headers, current: ObjectVersion | undefined): void {
  const unwanted = headers['if-none-match'];
  if (unwanted !== undefined && unwanted !== '*') {
    throw notImplemented('A header you provided implies functionality that is not implemented');
  }
  if (unwanted === '*' && current) throw preconditionFailed('If-None-Match');
  checkMatch(headers, current);
}

export function checkMatch(headers: Headers, current: ObjectVersion | undefined): void {
  const wanted = headers['if-match'];
  if (wanted === undefined) return;
  if (!current) throw noSuchKey();
  if (!holds(wanted, current.etag)) throw preconditionFailed('If-Match');
}

export const noSuchKey = (key?: string): AwsFailure =>
  new AwsFailure(
    404,
    'NoSuchKey',
    'The specified key does not exist.',
    key === undefined ? {} : { Key: key },
  );

export const notImplemented = (message: string): AwsFailure => new AwsFailure(501, 'NotImplemented', message);

const preconditionFailed = (Condition: string) =>
  new AwsFailure(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
    Condition,
  });

/** Quotes may be left out, as S3 allows. */
function holds(condition: string, etag: string): boolean {
  const bare = (tag: string) => tag.trim().replace(/^"|"$/g, '');
  return condition === '*' || condition.split(',').some((tag) => bare(tag) === bare(etag));
}
