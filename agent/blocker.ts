/** What keeps a whole host from its certificates: HAProxy or the bucket is out of reach, nothing is published. */
import { BucketError, ContractError, codeOf, messageOf } from '#contract/errors.ts';
import { HostError, RuntimeCommandFailed } from './errors.ts';

export type Blocker = RuntimeCommandFailed | BucketError | ContractError | HostError | UnexpectedFailure;

/** A bug, or a failure of Node's own (`ENOENT`): it keeps its code and its messages. */
class UnexpectedFailure extends Error {
  override name = 'UnexpectedFailure';
  readonly code: string;

  constructor(error: unknown) {
    super(messageOf(error));
    this.code = codeOf(error);
  }
}

const EXPECTED = [RuntimeCommandFailed, BucketError, ContractError, HostError, UnexpectedFailure] as const;

/** @param error what a catch caught */
export function asBlocker(error: unknown): Blocker {
  const isExpected = (one: unknown): one is Blocker => EXPECTED.some((kind) => one instanceof kind);
  return isExpected(error) ? error : new UnexpectedFailure(error);
}
