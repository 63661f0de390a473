/** Proves control of every identifier of an order: present all, respond to all, poll all, clean up all. */
import { messageOf } from '#contract/errors.ts';
import { type CertificateName, TOKEN } from '#contract/layout.ts';
import {
  type Authorization,
  type Challenge,
  getAuthorization,
  keyAuthorization,
  notValid,
  respond,
  waitValid,
} from '../acme/authorization.ts';
import type { AcmeClient } from '../acme/client.ts';
import type { Order } from '../acme/order.ts';
import { AuthorizationFailed, NoAcmeAnswer } from '../acme/problem.ts';
import type { ChallengeSolver, PresentedChallenge } from '../challenge/solver.ts';
import type { Pass } from '../pass.ts';
import type { OrderLeg } from './leg.ts';

interface Pending {
  authorization: Authorization;
  challenge: Challenge;
  presented: PresentedChallenge;
}

/** @throws AuthorizationFailed naming the identifier; AcmeDeadline if the CA takes longer than there is time */
export async function authorize(pass: Pass, client: AcmeClient, leg: OrderLeg, order: Order): Promise<void> {
  const { solver, timing } = pass;
  const authorizations = await Promise.all(order.authorizations.map((url) => getAuthorization(client, url)));
  const pending = authorizations
    .filter(isOpen)
    .map((authorization) => choose(client, order, authorization, solver.type));
  const presented = pending.map((item) => item.presented);
  // Answers of an earlier pass, which did not come to clean up.
  const earlier = leg.presented;
  let mayBeLookedAt = false;
  // Saved before anything is presented, so that a killed pass leaves nothing unnamed. Where this fails, another
  // pass drives the order: its answers, which are the same, are not ours to remove.
  if (pending.length > 0) await leg.save({ presented });
  try {
    if (pending.length === 0) return;
    await solver.present(presented);
    const identifiers = presented.map((challenge) => challenge.identifier);
    pass.log('challenge.presented', { certificate: leg.certificate, type: solver.type, identifiers });
    mayBeLookedAt = true;
    await all(pending.map(({ challenge }) => respond(client, challenge)));
    await all(pending.map(({ authorization }) => waitValid(client, authorization, timing)));
    mayBeLookedAt = false;
  } catch (error) {
    if (error instanceof AuthorizationFailed) mayBeLookedAt = false;
    throw error;
  } finally {
    // Out of time, cut off, or after an error of its own, the CA may still look. The next pass presents the same
    // answers and removes them; removing them now would make the order invalid.
    if (!mayBeLookedAt) await cleanUp(pass, leg.certificate, [...earlier, ...presented]);
  }
}

/** Removes each answer once. The proof stands: an answer that stays behind is logged, and fails no certificate. */
export async function cleanUp(
  { solver, log }: Pass,
  certificate: CertificateName,
  challenges: readonly PresentedChallenge[],
): Promise<void> {
  const distinct = new Map(challenges.map((challenge) => [challenge.token, challenge]));
  if (distinct.size === 0) return;
  try {
    await solver.cleanUp([...distinct.values()]);
  } catch (error) {
    log('challenge.leftover', { certificate, error: messageOf(error) });
  }
}

/** Valid ones are reused (§7.1.6); any other that is not pending can never become valid. */
function isOpen(authorization: Authorization): boolean {
  if (authorization.status === 'valid') return false;
  if (authorization.status === 'pending') return true;
  throw notValid(authorization);
}

function choose(
  client: AcmeClient,
  order: Order,
  authorization: Authorization,
  type: ChallengeSolver['type'],
): Pending {
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
    );
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

/** Waits for all before it fails, so that no request is under way when the answers are removed. */
async function all(work: Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
