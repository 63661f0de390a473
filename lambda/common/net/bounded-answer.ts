/** Answers that AWS's SDK reads, within a limit and in time: what it reads itself (listings, errors) is bounded, too. */
import { Readable } from 'node:stream';
import { readBody } from '#common/bounded-body.ts';
import { SECOND_MS } from '#common/time.ts';

/** Closest to the wire. */
export const BOUND = { step: 'deserialize', priority: 'low', name: 'boundedAnswer' } as const;

const TIMEOUT_MS = 20 * SECOND_MS;

/** What is read of the SDK's HTTP response. */
interface SdkResponse {
  statusCode: number;
  headers: Record<string, string>;
  body: unknown;
}

/**
 * A middleware of the SDK.
 * @param maxBytes of an answer with status 200
 * @param otherBytes of all others
 */
export function boundedAnswer(maxBytes: number, otherBytes = maxBytes) {
  return <Args extends object, Output extends { response: unknown }>(next: (args: Args) => Promise<Output>) =>
    async (args: Args): Promise<Output> => {
      const result = await next(args);
      const response = result.response as SdkResponse;
      if (!(response.body instanceof Readable)) return result;
      const limit = response.statusCode === 200 ? maxBytes : otherBytes;
      const declared = response.headers['content-length'];
      const body = await readBody(response.body, { maxBytes: limit, timeoutMs: TIMEOUT_MS, declared });
      response.body = Readable.from(body.length === 0 ? [] : [body], { objectMode: false });
      return result;
    };
}
