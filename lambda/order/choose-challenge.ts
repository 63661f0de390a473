/** The challenge of each open authorization of an order that is to be met, and the answer to it. */
import { TOKEN } from '#contract/layout.ts';
import {
  type Authorization,
  type Challenge,
  getAuthorization,
  keyAuthorization,
  notValid,
} from '../acme/authorization.ts';
import type { AcmeClient } from '../acme/client.ts';
import type { Order } from '../acme/order.ts';
import { AuthorizationFailed, joinFailures, NoAcmeAnswer, OrderSpent } from '../acme/problem.ts';
import type { ChallengeSolver, PresentedChallenge } from '../challenge/solver.ts';
import type { OrderLeg } from './leg.ts';
import { hasExpired } from './order-end.ts';
import { persistTerms } from './persist-terms.ts';

export interface OpenChallenge {
  authorization: Authorization;
  challenge: Challenge;
  presented: PresentedChallenge;
}

/**
 * One challenge of each authorization that is still to be proven; valid ones are reused (RFC 8555 §7.1.6).
 * @throws AuthorizationFailed naming every identifier that cannot become valid; OrderSpent if only another order can
 */
export async function openChallenges(
  client: AcmeClient,
  leg: OrderLeg,
  order: Order,
  type: ChallengeSolver['type'],
): Promise<OpenChallenge[]> {
  const authorizations = await Promise.all(order.authorizations.map((url) => getAuthorization(client, url)));
  const ended = authorizations.filter(({ status }) => status !== 'valid' && status !== 'pending');
  if (ended.length > 0) throw joinFailures(ended.map((authorization) => notValid(authorization)));
  const expired = authorizations.find((authorization) => hasExpired(authorization, { client, leg }));
  if (expired !== undefined) {
    throw new OrderSpent(expired.identifier.value, `authorization has expired (${expired.expires})`);
  }
  return authorizations
    .filter(({ status }) => status === 'pending')
    .map((authorization) => choose(client, order, authorization, type));
}

function choose(
  client: AcmeClient,
  order: Order,
  authorization: Authorization,
  type: ChallengeSolver['type'],
): OpenChallenge {
  const identifier = authorization.identifier.value;
  // §7.1.4: the authorization of `*.example.com` is one for `example.com`. Nothing else gets an answer.
  if (!order.identifiers.some(({ value }) => value === identifier || value === `*.${identifier}`)) {
    throw new NoAcmeAnswer(
      `order ${order.url} has an authorization for ${identifier}, which it does not name`,
    );
  }
  const challenge = authorization.challenges.find((offered) => offered.type === type);
  if (challenge === undefined) {
    const offered = authorization.challenges.map((other) => other.type).join(', ');
    throw new AuthorizationFailed(
      identifier,
      `wanted a ${type} challenge, the CA offers ${offered || 'none'}`,
      undefined,
      type,
    );
  }
  // smallstep leaves the authorization pending then: it waits for nothing until it expires.
  if (challenge.status === 'invalid') {
    throw new OrderSpent(identifier, `${type} challenge is invalid`, challenge.error ?? undefined, type);
  }
  if (type === 'dns-persist-01') {
    const persist = persistTerms(client, authorization, challenge);
    return { authorization, challenge, presented: { identifier, token: '', keyAuthorization: '', persist } };
  }
  // The token becomes a key in the bucket, and a CA must not choose any other key.
  if (!TOKEN.test(challenge.token)) {
    throw new NoAcmeAnswer(`the CA's token for ${identifier} is not base64url`);
  }
  const presented = {
    identifier,
    token: challenge.token,
    keyAuthorization: keyAuthorization(client, challenge),
  };
  return { authorization, challenge, presented };
}
