// Asynchronous invocation: Lambda queues the event, tries again while there is no room (until it is too old), as often as it is
// told after a failure, and hands what it gives up to the failure destination.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Invocation, LambdaFunction } from './function.ts';

export interface EventRules {
  maxAgeMs: number;
  maxRetries: number;
  /** The record that the destination gets. */
  onFailure(record: object): Promise<void>;
  /** Lambda begins with a second or so and goes to five minutes. */
  pauseMs?: number;
}

/** @returns the last attempt; it is 429 where there was never room */
export async function invokeByEvent(
  fn: LambdaFunction,
  event: unknown,
  { maxAgeMs, maxRetries, onFailure, pauseMs = 200 }: EventRules,
): Promise<Invocation> {
  const giveUpAt = Date.now() + maxAgeMs;
  let attempts = 0;
  for (;;) {
    const invocation = await fn.invoke(event);
    const isThrottled = invocation.status === 429;
    if (!isThrottled && invocation.functionError === undefined) return invocation;
    if (!isThrottled) attempts += 1;
    const isTooOld = Date.now() + pauseMs > giveUpAt;
    if (isTooOld || attempts > maxRetries) {
      const condition = isTooOld ? 'EventAgeExceeded' : 'RetriesExhausted';
      await onFailure(recordOf(fn, event, invocation, { condition, attempts }));
      return invocation;
    }
    await sleep(pauseMs);
  }
}

/** https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html */
function recordOf(
  { arn }: LambdaFunction,
  event: unknown,
  { requestId, status, functionError, payload }: Invocation,
  { condition, attempts }: { condition: string; attempts: number },
): object {
  return {
    version: '1.0',
    timestamp: new Date().toISOString(),
    requestContext: { requestId, functionArn: `${arn}:$LATEST`, condition, approximateInvokeCount: attempts },
    requestPayload: event,
    responseContext: { statusCode: status, executedVersion: '$LATEST', functionError },
    responsePayload: JSON.parse(payload),
  };
}
