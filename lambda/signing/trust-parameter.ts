/**
 * The SSM parameter from which hosts on AWS take the first key that they trust: whoever may write to the bucket cannot change it. The
 * issuer also reads it: it is the one memory of its key that no loss of the bucket takes away.
 */
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { BOUND, boundedAnswer } from '#common/net/bounded-answer.ts';
import { ContractError, messageOf } from '#contract/errors.ts';
import { MAX_AWS_ANSWER_BYTES } from '#contract/limits.ts';
import { type AnnouncedTrust, parseAnnouncedTrust, serializeAnnouncedTrust } from '#contract/trust.ts';
import { sdkCredentials } from '#storage/metadata/sdk-credentials.ts';

/** Limits of one attempt, in ms. */
const TIMEOUTS = { connectionTimeout: 5_000, requestTimeout: 10_000, throwOnRequestTimeout: true };

export class TrustParameter {
  readonly #name: string;
  readonly #client = new SSMClient({
    credentials: sdkCredentials(),
    maxAttempts: 3,
    requestHandler: TIMEOUTS,
  });

  /** @param name `/path/of/parameter` */
  constructor(name: string) {
    this.#name = name;
    this.#client.middlewareStack.add(boundedAnswer(MAX_AWS_ANSWER_BYTES), BOUND);
  }

  /** @returns undefined if there is none yet. @throws ContractError `ERR_TRUST_PARAMETER` */
  async read(): Promise<AnnouncedTrust | undefined> {
    const text = await this.#try('ssm:GetParameter', async () => {
      const { Parameter } = await this.#client.send(new GetParameterCommand({ Name: this.#name }));
      return Parameter?.Value;
    });
    return text === undefined ? undefined : parseAnnouncedTrust(this.#name, text);
  }

  /** @throws ContractError `ERR_TRUST_PARAMETER` */
  async write(trust: AnnouncedTrust): Promise<void> {
    const Value = serializeAnnouncedTrust(trust);
    await this.#try('ssm:PutParameter', () =>
      this.#client.send(
        new PutParameterCommand({ Name: this.#name, Value, Type: 'String', Overwrite: true }),
      ),
    );
  }

  async #try<T>(action: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      const { name } = error as Error;
      if (name === 'ParameterNotFound') return undefined;
      const isDenied = /AccessDenied/.test(name);
      const says = isDenied ? `the role needs ${action} on it` : `${action} failed: ${messageOf(error)}`;
      throw new ContractError('ERR_TRUST_PARAMETER', this.#name, says, { cause: error });
    }
  }
}
