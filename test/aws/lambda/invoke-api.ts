// Lambda's Invoke (2015-03-31): functions by name or ARN, their aliases, the caller's policies, and what the function's answer looks like
// on the wire. IAM judges the alias: a right to the function alone is none to its aliases, nor the other way round.

import { AwsFailure, type AwsRequest, type Operation, type Service } from '../wire.ts';
import type { LambdaFunction } from './function.ts';

export interface LambdaApi {
  service: Service;
  /** @param aliases that exist; all are of `$LATEST` */
  add(fn: LambdaFunction, aliases: readonly string[]): void;
  /** CloudTrail's data events: who has invoked what. */
  trail: { principal: string; functionArn: string; requestId: string }[];
}

interface Deployed {
  fn: LambdaFunction;
  aliases: readonly string[];
}

const PATH = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;
const MAX_BYTES = 6 * 1024 * 1024;

export function createLambdaApi({ region, accountId }: { region: string; accountId: string }): LambdaApi {
  const functions = new Map<string, Deployed>();
  const trail: LambdaApi['trail'] = [];
  const arnOf = (name: string) =>
    name.startsWith('arn:') ? name : `arn:aws:lambda:${region}:${accountId}:function:${name}`;
  const read = ({ method, path, query, body }: AwsRequest): Operation => {
    const [, encoded = ''] = PATH.exec(path) ?? [];
    if (method !== 'POST' || encoded === '') {
      throw new AwsFailure(404, 'UnknownOperationException', `the stand-in knows no ${method} ${path}`);
    }
    const arn = arnOf(decodeURIComponent(encoded));
    const { Qualifier: alias } = query;
    const resource = alias === undefined ? arn : `${arn}:${alias}`;
    return {
      ...{ name: 'Invoke', subject: resource.split(':').slice(6).join(':') },
      checks: [{ action: 'lambda:InvokeFunction', resource, context: {} }],
      run: async ({ caller }) => {
        const deployed = functions.get(arn);
        if (deployed === undefined || (alias !== undefined && !deployed.aliases.includes(alias))) {
          throw new AwsFailure(404, 'ResourceNotFoundException', `Function not found: ${resource}`);
        }
        const invocation = await deployed.fn.invoke(JSON.parse(body.toString() || '{}'), alias);
        const { status, functionError, payload, requestId } = invocation;
        if (status === 429) {
          throw new AwsFailure(429, 'TooManyRequestsException', 'Rate Exceeded.', JSON.parse(payload));
        }
        trail.push({ principal: caller.arn, functionArn: resource, requestId });
        const isTooLarge = Buffer.byteLength(payload) > MAX_BYTES;
        const tooLarge = {
          errorType: 'Function.ResponseSizeTooLarge',
          errorMessage: 'Response payload size exceeded maximum allowed payload size (6291556 bytes).',
        };
        const error = isTooLarge ? 'Unhandled' : functionError;
        return {
          status: 200,
          headers: {
            ...{ 'content-type': 'application/json', 'x-amzn-requestid': requestId },
            ...{ 'x-amz-executed-version': '$LATEST' },
            ...(error && { 'x-amz-function-error': error }),
          },
          body: isTooLarge ? JSON.stringify(tooLarge) : payload,
        };
      },
    };
  };
  return {
    ...{ trail, service: { protocol: 'rest', read } },
    add: (fn, aliases) => functions.set(fn.arn, { fn, aliases }),
  };
}
