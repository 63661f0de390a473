/** Route 53's API of one AWS account: under its rate limit, and with errors that say which permission is missing. */
import { Route53Client } from '@aws-sdk/client-route-53';
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { BOUND, boundedAnswer } from '#common/net/bounded-answer.ts';
import { MAX_AWS_ANSWER_BYTES } from '#contract/limits.ts';
import { sdkCredentials } from '#storage/metadata/sdk-credentials.ts';
import type { Timing } from '../../acme/poll.ts';
import type { HostedZoneSettings } from '../../config/dns.ts';
import { DnsFailed } from '../errors.ts';

/** Whose credentials: those of the role that the issuer assumes, or without a role the issuer's own. */
export type Route53Access = Pick<HostedZoneSettings, 'roleArn' | 'externalId'>;

/** Route 53 takes five requests a second from an account; its other users want some of them too. */
const INTERVAL_MS = 250;

export class Route53Api {
  /** For messages. */
  readonly owner: string;
  readonly timing: Timing;
  readonly #client: Route53Client;
  readonly #assumesRole: boolean;
  /** Resolves when the next request may go. */
  #nextSlot = Promise.resolve();

  constructor(access: Route53Access, timing: Timing) {
    const { roleArn } = access;
    this.owner = roleArn === undefined ? "the issuer's account" : `the account of ${roleArn}`;
    this.timing = timing;
    this.#assumesRole = roleArn !== undefined;
    this.#client = new Route53Client({
      credentials: roleArn === undefined ? sdkCredentials() : roleCredentials(roleArn, access.externalId),
      // For throttling and for PriorRequestNotComplete, which the SDK tries again.
      maxAttempts: 6,
      requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000, throwOnRequestTimeout: true },
    });
    this.#client.middlewareStack.add(boundedAnswer(MAX_AWS_ANSWER_BYTES), BOUND);
  }

  /**
   * Sends one request when the rate limit allows it.
   * @param permission that it needs, for example `route53:GetChange`
   * @param subject of the request, for the message if it is denied
   */
  async request<T>(
    permission: string,
    send: (client: Route53Client) => Promise<T>,
    subject?: string,
  ): Promise<T> {
    if (this.#assumesRole) await this.#assumeRole();
    await this.#slot();
    return send(this.#client).catch((error: unknown) => {
      throw route53Failure(error, this.owner, permission, subject);
    });
  }

  close(): void {
    this.#client.destroy();
  }

  #slot(): Promise<void> {
    const slot = this.#nextSlot;
    this.#nextSlot = slot.then(() => this.timing.sleep(INTERVAL_MS));
    return slot;
  }

  /** The client would do so by itself (and keeps what it gets); done apart, it is clear who denied what. */
  async #assumeRole(): Promise<void> {
    try {
      await this.#client.config.credentials();
    } catch (error) {
      throw route53Failure(error, this.owner, 'sts:AssumeRole');
    }
  }
}

function roleCredentials(RoleArn: string, ExternalId: string | undefined) {
  return fromTemporaryCredentials({
    masterCredentials: sdkCredentials(),
    params: { RoleArn, RoleSessionName: 'pemfleet', ExternalId },
  });
}

export function awsErrorName(error: unknown): string {
  return (error as Error).name;
}

/** What concerns a batch (`InvalidChangeBatch`) passes as it is: the caller halves the batch. */
function route53Failure(error: unknown, owner: string, permission: string, subject?: string): unknown {
  const name = awsErrorName(error);
  const options = { cause: error };
  if (name === 'InvalidChangeBatch') return error;
  if (/AccessDenied|NotAuthorized/.test(name)) {
    const purpose = subject === undefined ? '' : `, for ${subject}`;
    const advice =
      permission === 'sts:AssumeRole' ? " (its trust policy, externalId, or the issuer's own policy)" : '';
    const message = `${permission} is denied in ${owner}${purpose}${advice}`;
    return new DnsFailed('ERR_DNS_DENIED', message, options);
  }
  if (/Credentials|ExpiredToken|InvalidClientTokenId|SignatureDoesNotMatch/.test(name)) {
    return new DnsFailed('ERR_DNS_DENIED', `no usable credentials for ${owner} (${name})`, options);
  }
  if (name === 'NoSuchHostedZone') {
    return new DnsFailed('ERR_DNS_ZONE', `${owner} has no such hosted zone`, options);
  }
  const { code = name } = error as NodeJS.ErrnoException;
  return new DnsFailed('ERR_DNS_CHANGE', `AWS did not do ${permission} (${code})`, options);
}
