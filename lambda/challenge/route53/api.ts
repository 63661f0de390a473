/** Route 53's API of one AWS account: under its rate limit, and with errors that say which permission is missing. */
import { Route53Client } from '@aws-sdk/client-route-53';
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import type { Timing } from '../../acme/poll.ts';
import type { HostedZoneSettings } from '../../config/dns.ts';
import { DnsFailed } from '../errors.ts';

/** Whose credentials: the issuer's own, or those of a role that it assumes. */
export type Access = Pick<HostedZoneSettings, 'roleArn' | 'externalId'>;

export interface Route53Api {
  /** For messages. */
  readonly owner: string;
  readonly timing: Timing;
  /**
   * One request in its turn.
   * @param needs the permission, for example `route53:GetChange`
   * @param on what it is needed for, to be told when it is denied
   */
  request<T>(needs: string, send: (client: Route53Client) => Promise<T>, on?: string): Promise<T>;
  close(): void;
}

/** Route 53 takes five requests a second from an account; others want some of them too. */
const INTERVAL_MS = 250;

export function openRoute53(access: Access, timing: Timing): Route53Api {
  const { roleArn } = access;
  const owner = roleArn === undefined ? "the issuer's account" : `the account of ${roleArn}`;
  const client = new Route53Client({
    ...(roleArn !== undefined && { credentials: roleCredentials(roleArn, access.externalId) }),
    // For throttling and for PriorRequestNotComplete, which the SDK knows to try again.
    maxAttempts: 6,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 20_000, throwOnRequestTimeout: true },
  });
  let turn = Promise.resolve();
  const inTurn = () => {
    const mine = turn;
    turn = turn.then(() => timing.sleep(INTERVAL_MS));
    return mine;
  };
  return {
    owner,
    timing,
    request: async (needs, send, on) => {
      if (roleArn !== undefined) await assumeRole(client, owner);
      await inTurn();
      return send(client).catch((error: unknown) => {
        throw route53Failure(error, owner, needs, on);
      });
    },
    close: () => client.destroy(),
  };
}

function roleCredentials(RoleArn: string, externalId: string | undefined) {
  const binding = externalId === undefined ? {} : { ExternalId: externalId };
  return fromTemporaryCredentials({ params: { RoleArn, RoleSessionName: 'pemfleet', ...binding } });
}

/** The client would do it by itself (and keeps what it gets); by itself it is clear who has denied what. */
async function assumeRole(client: Route53Client, owner: string): Promise<void> {
  try {
    await client.config.credentials();
  } catch (error) {
    throw route53Failure(error, owner, 'sts:AssumeRole');
  }
}

export function awsErrorName(error: unknown): string {
  return (error as Error).name;
}

/** What concerns a batch (`InvalidChangeBatch`) is the caller's affair and passes as it is. */
function route53Failure(error: unknown, owner: string, needs: string, on?: string): unknown {
  const name = awsErrorName(error);
  const options = { cause: error };
  if (name === 'InvalidChangeBatch') return error;
  if (/AccessDenied|NotAuthorized/.test(name)) {
    const advice =
      needs === 'sts:AssumeRole' ? " (its trust policy, externalId, or the issuer's own policy)" : '';
    return new DnsFailed(
      'ERR_DNS_DENIED',
      `${needs} is denied in ${owner}${on ? `, for ${on}` : ''}${advice}`,
      options,
    );
  }
  if (/Credentials|ExpiredToken|InvalidClientTokenId|SignatureDoesNotMatch/.test(name))
    return new DnsFailed('ERR_DNS_DENIED', `no usable credentials for ${owner} (${name})`, options);
  if (name === 'NoSuchHostedZone')
    return new DnsFailed('ERR_DNS_ZONE', `${owner} has no such hosted zone`, options);
  const { code = name } = error as NodeJS.ErrnoException;
  return new DnsFailed('ERR_DNS_CHANGE', `AWS did not do ${needs} (${code})`, options);
}
